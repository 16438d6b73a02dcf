"""SPK102 empty-input: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk102_empty_input import EmptyInput
from tests.unit.checks.build import inputs, observe, severity_of


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(inputs(), None, id="ordinary"),
        pytest.param(inputs(filled_frames=639), "warning", id="almost empty"),
        pytest.param(inputs(filled_frames=640), None, id="exactly at the limit"),
        pytest.param(inputs(filled_frames=0, empty_samples=320), "error", id="all empty"),
        pytest.param(inputs(empty_samples=160), "warning", id="half of the samples"),
        pytest.param(inputs(empty_samples=159), None, id="fewer than half"),
        pytest.param(inputs(elements=0, frames=0, filled_frames=0), None, id="no element"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(EmptyInput(), observe({"input": [reading]}), "input") == severity
