"""SPK601 mixed-samples: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk601_mixed_samples import MixedSamples
from spikecheck.experiment_readings import ChangedSampleReading
from tests.unit.checks.build import findings, observe, severity_of


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(ChangedSampleReading(64, 18, 0.33), "error", id="samples are mixed"),
        pytest.param(ChangedSampleReading(64, 1, 0.33), "error", id="exactly at the limit"),
        pytest.param(ChangedSampleReading(64, 0, 0.0), None, id="none changed"),
        pytest.param(ChangedSampleReading(64, 63, 0.1, batch_statistics=True), None, id="normalized over the batch"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(MixedSamples(), observe({"the model": [reading]}), "the model") == severity


def test_the_message_says_how_many() -> None:
    (finding,) = findings(MixedSamples(), observe({"the model": [ChangedSampleReading(64, 18, 0.33)]}), "the model")
    assert finding.message == "replacing one sample changes the outputs of 18 of the other 63 samples"
