"""SPK506 dead-rows: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk506_dead_rows import DeadRows
from tests.unit.checks.build import observe, severity_of, stored

NAME = "fc1.weight"


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(stored(), None, id="none"),
        pytest.param(stored(zero_rows=1), "note", id="one"),
        pytest.param(stored(rows=100, zero_rows=9), "note", id="below a tenth"),
        pytest.param(stored(rows=100, zero_rows=10), "warning", id="a tenth"),
        pytest.param(stored(zero_rows=64, rms=0.0), "warning", id="all"),
        pytest.param(stored(rows=None, zero_rows=None), None, id="not counted"),
        pytest.param(stored(zero_rows=64, nan=3), None, id="with NaN in it"),
        pytest.param(stored(zero_rows=64, role="moment"), None, id="a moment"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(DeadRows(), observe({NAME: [reading]}), NAME) == severity
