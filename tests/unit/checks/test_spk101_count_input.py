"""SPK101 count-input: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk101_count_input import CountInput
from tests.unit.checks.build import evidence, findings, found, inputs


def counts(average: float, **changed):
    """Counts up to 9, with this mean of the active bins."""
    values = {"maximum": 9.0, "values": (0.0, 1.0, 2.0, 5.0, 9.0), "above_one": 4000, "active": 10_000}
    return inputs(**{**values, "count": average * 10_000, **changed})


@pytest.mark.parametrize(
    ("x", "severity"),
    [
        pytest.param(inputs(), None, id="binary"),
        pytest.param(counts(6.0), "warning", id="coarse bins"),
        pytest.param(counts(2.0), "warning", id="exactly at the limit"),
        pytest.param(counts(1.99), "note", id="just below it"),
        pytest.param(counts(1.05), "note", id="a healthy network's small counts"),
        pytest.param(counts(3.0, minimum=-1.0, negative=9), None, id="negative values are no counts"),
        pytest.param(inputs(minimum=-1.0, values=(-1.0, 0.0, 1.0), negative=9000), None, id="ternary"),
        pytest.param(counts(6.0, not_integer=1), None, id="continuous"),
        pytest.param(counts(6.0, dtype="int64"), None, id="indices of an embedding"),
        pytest.param(counts(6.0, dtype="uint8"), "warning", id="counts as bytes"),
        pytest.param(inputs(count=0.0, active=0, maximum=0.0, values=(0.0,)), None, id="nothing came in"),
        pytest.param(counts(6.0, minimum=float("nan")), None, id="not a number"),
    ],
)
def test_judge(x, severity) -> None:
    assert found(CountInput(), evidence({"input": [x]}), "input") == severity


def test_it_says_how_much_binarizing_would_take_away() -> None:
    [finding] = findings(CountInput(), evidence({"input": [counts(6.0)]}), "input")
    assert finding.message == "input holds counts: 0 to 9, 6 in the average active bin"
    assert "40.0% of the active bins are above 1" in finding.seen.text
    assert finding.fix.startswith("x = (x > 0).float()")


def test_another_limit_can_be_set() -> None:
    assert found(CountInput(average=7.0), evidence({"input": [counts(6.0)]}), "input") == "note"
