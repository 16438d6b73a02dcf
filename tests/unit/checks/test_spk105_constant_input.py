"""SPK105 constant-input: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk105_constant_input import ConstantInput
from tests.unit.checks.build import inputs, observe, severity_of


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(inputs(), None, id="changing input"),
        pytest.param(inputs(constant_forward_passes=20), "note", id="every forward pass"),
        pytest.param(inputs(constant_forward_passes=20, non_integer=5000), None, id="direct coding of an image"),
        pytest.param(inputs(constant_forward_passes=20, minimum=-1.0), None, id="a normalized image"),
        pytest.param(inputs(constant_forward_passes=19), None, id="all but one"),
        pytest.param(inputs(constant_forward_passes=20, time_steps=1), None, id="one step"),
        pytest.param(inputs(constant_forward_passes=20, time_steps=None), None, id="unknown time axis"),
        pytest.param(inputs(constant_forward_passes=20, filled_frames=0), None, id="empty input"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(ConstantInput(), observe({"input": [reading]}), "input") == severity
