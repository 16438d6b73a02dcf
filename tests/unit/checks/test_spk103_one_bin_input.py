"""SPK103 one-bin-input: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk103_one_bin_input import OneBinInput
from tests.unit.checks.build import inputs, observe, severity_of


def one_bin(**changed):
    """An event in each of 320 samples, all of which were looked at."""
    return inputs(**{"densest_frame_share": 1.0, "count": 320.0, "active": 320, "sampled_elements": 640_000, **changed})


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(inputs(), None, id="spread"),
        pytest.param(inputs(densest_frame_share=0.9), "warning", id="exactly at the limit"),
        pytest.param(inputs(densest_frame_share=0.89), None, id="just below the limit"),
        pytest.param(inputs(densest_frame_share=1.0, time_steps=3), None, id="few steps"),
        pytest.param(inputs(densest_frame_share=1.0, time_steps=None), None, id="no time axis known"),
        pytest.param(inputs(densest_frame_share=0.0, filled_frames=0), None, id="empty input"),
        pytest.param(one_bin(), None, id="one event per sample: in one bin by chance"),
        pytest.param(one_bin(count=1e4), "warning", id="one bin that counts 31 events"),
        pytest.param(one_bin(empty_samples=250), "warning", id="4.6 events in each non-empty sample"),
        pytest.param(one_bin(count=1e4, negative=160), None, id="signed values are not counts"),
        pytest.param(one_bin(sampled_elements=64_000), "warning", id="a sample of the elements"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(OneBinInput(), observe({"input": [reading]}), "input") == severity
