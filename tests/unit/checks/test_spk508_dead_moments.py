"""SPK508 dead-moments: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk508_dead_moments import DeadMoments
from tests.unit.checks.build import findings, moment, observe, severity_of

NAME = "optimizer: fc1.weight"


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(moment(), None, id="alive"),
        pytest.param(moment(missing=True, max_abs=None, updates=None), "warning", id="missing beside others"),
        pytest.param(
            moment(missing=True, max_abs=None, updates=None, other_parameters=0),
            None,
            id="an optimizer that keeps nothing",
        ),
        pytest.param(moment(max_abs=0.0), "warning", id="all zero"),
        pytest.param(moment(max_abs=0.0, updates=0.0), None, id="before the first update"),
        pytest.param(moment(max_abs=0.0, updates=None), "warning", id="momentum without a count"),
        pytest.param(moment(max_abs=1e-30), None, id="tiny"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(DeadMoments(), observe({NAME: [reading]}), NAME) == severity


def test_the_message_distinguishes_no_gradient_from_gradients_of_0() -> None:
    readings = {"never received": moment(missing=True, max_abs=None, updates=None), "exactly 0": moment(max_abs=0.0)}
    for words, reading in readings.items():
        [finding] = findings(DeadMoments(), observe({NAME: [reading]}), NAME)
        assert words in finding.message
