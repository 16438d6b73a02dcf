"""The ledger of findings: when each held, through evaluations one by one."""

from __future__ import annotations

import pytest

from spikecheck.finding import Expected, Finding, FindingState, Interval, Observed, Severity, dates
from spikecheck.ledger import MIN_INTERVALS, PAUSES_PER_RUN, Ledger
from spikecheck.site import Moment, Site, SiteKind

LIF = Site(SiteKind.SPIKES, "lif")


def finding(update: int = 0, severity: Severity = Severity.WARNING, name: str = "lif") -> Finding:
    site = Site(SiteKind.SPIKES, name)
    return Finding("SPK203", "dead-layer", severity, site, "m", Observed("o"), Expected("e"), when=Moment(update))


def observed(pattern: str, every: int = 1) -> Ledger:
    """The ledger after evaluations at updates 1, 2, ...: `x` where the finding was made, `.` where it was not."""
    ledger = Ledger()
    for number, mark in enumerate(pattern, start=1):
        ledger = ledger.observe([finding(number * every)] if mark == "x" else [], number * every)
    return ledger


@pytest.mark.parametrize(
    ("pattern", "intervals", "is_open", "past"),
    [
        pytest.param("xxx", [(1, 3)], True, FindingState.OVER, id="holds"),
        pytest.param("..x", [(3, 3)], True, FindingState.OVER, id="began"),
        pytest.param("xx..", [(1, 2)], False, FindingState.OVER, id="over"),
        pytest.param("xx..x", [(1, 2), (5, 5)], True, FindingState.OVER, id="came back"),
        pytest.param("x..x..x.", [(1, 1), (4, 4), (7, 7)], False, FindingState.INTERMITTENT, id="comes and goes"),
    ],
)
def test_when_it_held(pattern: str, intervals: list[tuple[int, int]], is_open: bool, past: FindingState) -> None:
    (record,) = observed(pattern).records.values()
    assert [(one.first, one.last) for one in record.intervals] == intervals
    assert (record.is_open, record.past_state) == (is_open, past)
    assert len(intervals) < MIN_INTERVALS or past is FindingState.INTERMITTENT


def test_between_two_evaluations_that_made_it_it_held() -> None:
    (record,) = observed("xx.", every=16).records.values()
    assert record.intervals == (Interval(16, 32),)


def test_a_new_finding_holds_since_its_own_date() -> None:
    (record,) = Ledger().observe([finding(3)], 10).records.values()
    assert record.intervals == (Interval(3, 10),)


def test_a_pause_that_is_short_for_the_run_is_none() -> None:
    pattern = "x" * 50 + "." + "x" * 50
    assert len(observed("x.x").records[finding().key].intervals) == 2
    assert len(observed(pattern).records[finding().key].intervals) == 1


def test_its_size_is_bounded() -> None:
    ledger = observed("x.." * 400)
    assert len(ledger.records[finding().key].intervals) <= PAUSES_PER_RUN + 1


def test_it_is_kept_as_it_was_at_worst_and_of_equals_as_it_was_first() -> None:
    ledger = Ledger().observe([finding(1)], 1).observe([finding(2)], 2)
    assert ledger.records[finding().key].finding.when == Moment(1)
    ledger = ledger.observe([finding(3, Severity.ERROR)], 3).observe([finding(4, Severity.NOTE)], 4)
    assert ledger.records[finding().key].finding.severity is Severity.ERROR


def test_a_resumed_run_goes_on_with_the_ledger_of_the_first() -> None:
    first, second = observed("xxx"), Ledger().observe([], 4)
    resumed = first.merge(second).observe([], 5)
    assert not resumed.records[finding().key].is_open


def test_of_two_ranks_one_that_still_shows_it_is_enough() -> None:
    both = observed("xx..").merge(observed("xxxx"))
    assert both.records[finding().key].is_open


@pytest.mark.parametrize(
    ("intervals", "text"),
    [
        ([], ""),
        ([(0, 0)], "before the first update"),
        ([(0, 14)], "until update 14"),
        ([(3, 3)], "update 3"),
        ([(3, 1400)], "updates 3 to 1,400"),
        ([(0, 2), (5, 7)], "until update 2 and updates 5 to 7"),
        ([(3, 4), (6, 6), (8, 9)], "updates 3 to 4, 6 and 8 to 9"),
        ([(1, 2), (4, 5), (7, 8), (10, 11), (13, 14)], "updates 1 to 2, 4 to 5, 7 to 8 and 2 times more"),
    ],
)
def test_dates_in_words(intervals: list[tuple[int, int]], text: str) -> None:
    assert dates(tuple(Interval(*pair) for pair in intervals)) == text
