"""SPK603 position-dependence: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk603_position_dependence import PositionDependence
from spikecheck.experiment_readings import ChangedSampleReading, PermutedBatchReading
from tests.unit.checks.build import observe, severity_of


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        pytest.param([PermutedBatchReading(60, 60, 0.4)], "warning", id="every sample"),
        pytest.param([PermutedBatchReading(60, 6, 0.4)], "warning", id="exactly at the limit"),
        pytest.param([PermutedBatchReading(60, 5, 0.4)], None, id="just below the limit"),
        pytest.param([PermutedBatchReading(60, 0, 0.0)], None, id="none"),
        pytest.param(
            [PermutedBatchReading(60, 60, 0.4), ChangedSampleReading(60, 59, 0.1, batch_statistics=True)],
            None,
            id="normalized over the batch",
        ),
    ],
)
def test_judge(readings, severity) -> None:
    assert severity_of(PositionDependence(), observe({"the model": readings}), "the model") == severity
