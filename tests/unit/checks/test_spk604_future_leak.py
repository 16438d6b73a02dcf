"""SPK604 future-leak: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk604_future_leak import FutureLeak
from spikecheck.experiment_readings import LateStepReading
from tests.unit.checks.build import observe, severity_of


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(LateStepReading(40, 30, ("spikes of lif1", "output"), ("output",)), "note", id="one place"),
        pytest.param(LateStepReading(40, 30, ("spikes of lif1",), ()), None, id="nothing"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(FutureLeak(), observe({"the model": [reading]}), "the model") == severity
