"""SPK306 target-out-of-range: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk306_target_out_of_range import TargetOutOfRange
from tests.unit.checks.build import findings, observe, severity_of, targets


@pytest.mark.parametrize(
    ("labels", "severity"),
    [
        pytest.param(targets(classes=20), None, id="0 to 19"),
        pytest.param(targets(classes=20, out_of_range=16, minimum=1, maximum=20), "error", id="counted from 1"),
        pytest.param(targets(classes=20, out_of_range=1, minimum=-1), "error", id="one label of -1"),
        pytest.param(targets(classes=None, out_of_range=3), None, id="the number of classes is not known"),
    ],
)
def test_judge(labels, severity) -> None:
    assert severity_of(TargetOutOfRange(), observe({"loss": [labels]}), "loss") == severity


def test_the_message_gives_both_ranges() -> None:
    labels = targets(classes=20, out_of_range=16, minimum=1, maximum=20)
    (finding,) = findings(TargetOutOfRange(), observe({"loss": [labels]}), "loss")
    assert finding.message == "targets range from 1 to 20; 20 outputs allow 0 to 19"
