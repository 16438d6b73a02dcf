"""SPK107 wrapped-counts: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk107_wrapped_counts import WrappedCounts
from tests.unit.checks.build import inputs, observe, severity_of


def grid(lowest, highest, unit):
    """Values from lowest to highest in steps of unit."""
    return inputs(minimum=lowest, maximum=highest, values=tuple(lowest + n * unit for n in range(16)), negative=9)


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(inputs(), None, id="binary"),
        pytest.param(grid(-1.28, 1.27, 0.01), "warning", id="8 bits, scaled"),
        pytest.param(grid(-128.0, 127.0, 1.0), "warning", id="8 bits"),
        pytest.param(grid(-32768.0, 32767.0, 1.0), "warning", id="16 bits"),
        pytest.param(grid(-1.0, 1.0, 1.0), None, id="ternary"),
        pytest.param(grid(-1.27, 1.27, 0.01), None, id="symmetric"),
        pytest.param(grid(-1.28, 1.27, 0.0173), None, id="off the grid"),
        pytest.param(grid(0.0, 255.0, 1.0), None, id="an unsigned integer"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(WrappedCounts(), observe({"input": [reading]}), "input") == severity
