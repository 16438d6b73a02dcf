"""SPK608 half-precision-overflow: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk608_half_precision_overflow import HalfPrecisionOverflow
from spikecheck.experiment_readings import PrecisionReading
from tests.unit.checks.build import observe, severity_of


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(PrecisionReading("float16", 4, finite=False, full_precision_finite=True), "error", id="overflow"),
        pytest.param(PrecisionReading("float16", 1, finite=False, full_precision_finite=True), "error", id="at once"),
        pytest.param(PrecisionReading("float16", 4, finite=True, full_precision_finite=True), None, id="both finite"),
        pytest.param(PrecisionReading("float16", 4, finite=False, full_precision_finite=False), None, id="neither"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(HalfPrecisionOverflow(), observe({"the model": [reading]}), "the model") == severity
