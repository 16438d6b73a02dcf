"""SPK216 batch-norm-per-step: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk216_batch_norm_per_step import BatchNormPerStep
from tests.unit.checks.build import evidence, found, mode


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param([mode(momentum=0.1)], None, id="one call"),
        pytest.param([mode(momentum=0.1, calls=40)], "warning", id="40 steps"),
        pytest.param([mode(momentum=0.1, calls=20)], "note", id="statistics of nearly all steps"),
        pytest.param([mode(momentum=0.1, calls=3)], None, id="shared by branches"),
        pytest.param([mode(calls=40)], None, id="no running statistics"),
        pytest.param([mode(momentum=0.1, calls=40, evaluating=20)], None, id="frozen"),
    ],
)
def test_judge(given, severity) -> None:
    assert found(BatchNormPerStep(), evidence({"norm": given}), "norm") == severity
