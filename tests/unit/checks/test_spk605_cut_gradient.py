"""SPK605 cut-gradient: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk605_cut_gradient import CutGradient
from spikecheck.experiment_readings import GradientPathReading
from tests.unit.checks.build import observe, severity_of

LIMIT = CutGradient.limits()["min_relative_change"][0]


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(GradientPathReading(0.3, is_none=True, is_zero=False), "error", id="a weight in use"),
        pytest.param(GradientPathReading(LIMIT, is_none=True, is_zero=False), "error", id="exactly at the limit"),
        pytest.param(GradientPathReading(LIMIT / 2, is_none=True, is_zero=False), None, id="just below the limit"),
        pytest.param(GradientPathReading(0.0, is_none=True, is_zero=False), None, id="a weight that is not used"),
        pytest.param(GradientPathReading(0.0, is_none=False, is_zero=True), None, id="a gradient of 0"),
        pytest.param(GradientPathReading(0.0, is_none=False, is_zero=False), None, id="a gradient"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(CutGradient(), observe({"fc1.weight": [reading]}), "fc1.weight") == severity
