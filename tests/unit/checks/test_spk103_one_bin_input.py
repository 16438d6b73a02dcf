"""SPK103 one-bin-input: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk103_one_bin_input import OneBinInput
from tests.unit.checks.build import evidence, found, inputs


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        pytest.param(inputs(), None, id="spread"),
        pytest.param(inputs(densest=0.9), "warning", id="exactly at the limit"),
        pytest.param(inputs(densest=0.89), None, id="just below it"),
        pytest.param(inputs(densest=1.0, steps=3), None, id="few steps"),
        pytest.param(inputs(densest=1.0, steps=None), None, id="no time axis known"),
        pytest.param(inputs(densest=0.0, filled=0), None, id="nothing came in"),
    ],
)
def test_judge(given, severity) -> None:
    assert found(OneBinInput(), evidence({"input": [given]}), "input") == severity
