"""SPK310 last-step-readout: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk310_last_step_readout import LastStepReadout
from spikecheck.update_readings import GradientToSpikesReading
from tests.unit.checks.build import observe, severity_of, spikes


@pytest.mark.parametrize(
    ("gradients", "severity"),
    [
        pytest.param(GradientToSpikesReading(3, 120, 0, 3), None, id="every step"),
        pytest.param(GradientToSpikesReading(3, 120, 3, 3), "warning", id="the last step alone"),
        pytest.param(GradientToSpikesReading(3, 120, 2, 3), None, id="in one forward another step"),
        pytest.param(GradientToSpikesReading(3, 15, 3, 3), "warning", id="five steps"),
        pytest.param(GradientToSpikesReading(3, 12, 3, 3), None, id="four steps"),
        pytest.param(GradientToSpikesReading(3, 120, 0, 0), None, id="silent: a first-spike loss reads the last step"),
        pytest.param(GradientToSpikesReading(3, 120, 1, 1), "warning", id="silent in two of three forward passes"),
        pytest.param(GradientToSpikesReading(3, 120, 0, 3), None, id="no gradient at all is another check's"),
    ],
)
def test_judge(gradients, severity) -> None:
    observations = observe({"lif1": [spikes()], "lif2": [spikes(), gradients]})
    assert severity_of(LastStepReadout(), observations, "lif2") == severity


def test_a_layer_in_the_middle_is_not_the_readout() -> None:
    gradients = GradientToSpikesReading(3, 120, 3, 3)
    observations = observe({"lif1": [spikes(), gradients], "lif2": [spikes(), gradients]})
    assert severity_of(LastStepReadout(), observations, "lif1") is None
