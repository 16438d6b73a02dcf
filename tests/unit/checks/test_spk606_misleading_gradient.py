"""SPK606 misleading-gradient: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk606_misleading_gradient import MisleadingGradient
from spikecheck.experiment_readings import SlopeReading
from tests.unit.checks.build import observe, severity_of

LIMITS = {name: default for name, (default, _) in MisleadingGradient.limits().items()}
ERRORS, SHARE = LIMITS["min_standard_errors"], LIMITS["min_opposite_share"]


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(SlopeReading(2.0, -2.0, 0.1, 4), "error", id="the wrong sign"),
        pytest.param(SlopeReading(2.0, -2.0, 2.0 / ERRORS, 4), "error", id="exactly at the limit of the error"),
        pytest.param(SlopeReading(2.0, -2.0, 2.1 / ERRORS, 4), None, id="too noisy to tell"),
        pytest.param(SlopeReading(2.0, -2.0 * SHARE, 0.01, 4), "error", id="exactly at the limit of the share"),
        pytest.param(SlopeReading(2.0, -1.9 * SHARE, 0.01, 4), None, id="just below it"),
        pytest.param(SlopeReading(2.0, 0.6, 0.1, 4), None, id="a rough surrogate"),
        pytest.param(SlopeReading(0.0, -1.0, 0.1, 4), None, id="no gradient"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(MisleadingGradient(), observe({"fc1.weight": [reading]}), "fc1.weight") == severity
