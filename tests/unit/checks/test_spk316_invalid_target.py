"""SPK316 invalid-target: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk316_invalid_target import InvalidTarget
from spikecheck.readings import RegressionTargetReading
from tests.unit.checks.build import loss, observe, severity_of

LIMIT = InvalidTarget.limits()["max_rounding_error"][0]
BINARY = loss(function="binary_cross_entropy_with_logits", minimum=0.1)
TARGETS = RegressionTargetReading(20, 640, 0.0, 1.0, -2.0, 3.0, (0.0, 1.0))


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        pytest.param([BINARY, replace(TARGETS, target_maximum=5.0)], "warning", id="a target of 5"),
        pytest.param([BINARY, replace(TARGETS, target_minimum=-1.0)], "warning", id="a target of -1"),
        pytest.param([BINARY, TARGETS], None, id="targets from 0 to 1"),
        pytest.param([loss(function="mse_loss"), replace(TARGETS, target_maximum=60.0)], None, id="a regression"),
        pytest.param([loss(minimum=-2 * LIMIT)], "warning", id="a negative cross-entropy"),
        pytest.param([loss(minimum=-LIMIT)], None, id="rounding, at the limit"),
        pytest.param([loss(function="nll_loss", minimum=-3.0)], None, id="a density above 1 has a negative likelihood"),
        pytest.param([loss(function="backward", minimum=-3.0)], None, id="a loss of the script's own"),
        pytest.param([loss(minimum=None)], None, id="no finite loss"),
    ],
)
def test_judge(readings, severity) -> None:
    assert severity_of(InvalidTarget(), observe({"loss": readings}), "loss") == severity
