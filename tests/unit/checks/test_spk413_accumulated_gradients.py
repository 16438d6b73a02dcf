"""SPK413 accumulated-gradients: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk413_accumulated_gradients import AccumulatedGradients
from spikecheck.update_readings import StaleGradientReading
from tests.unit.checks.build import findings, gradient, observe, parameter, severity_of


@pytest.mark.parametrize(
    ("left", "severity"),
    [
        pytest.param(StaleGradientReading(12, 0), None, id="cleared each time"),
        pytest.param(StaleGradientReading(12, 12), "warning", id="never cleared"),
        pytest.param(StaleGradientReading(12, 11), None, id="cleared once"),
        pytest.param(StaleGradientReading(3, 3), "warning", id="three times is the loop"),
        pytest.param(StaleGradientReading(2, 2), None, id="too few to say"),
    ],
)
def test_judge(left, severity) -> None:
    observations = observe({"fc1.weight": [gradient(), parameter(), left]})
    assert severity_of(AccumulatedGradients(), observations, "fc1.weight") == severity


def test_one_finding_stands_for_all() -> None:
    places = {f"fc{n}.weight": [gradient(), parameter(), StaleGradientReading(12, 12)] for n in (1, 2, 3)}
    made = [f for name in places for f in findings(AccumulatedGradients(), observe(places), name)]
    assert [f.message for f in made] == ["gradients of fc1.weight and 2 more are never cleared"]
