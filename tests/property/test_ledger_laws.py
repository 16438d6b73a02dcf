"""Ledgers can be merged in any order and grouping, and stay small."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.ledger import PAUSES_PER_RUN, Ledger
from spikecheck.site import Moment, Site, SiteKind


def finding(name: str, update: int, severity: Severity) -> Finding:
    site = Site(SiteKind.SPIKES, name)
    return Finding("SPK203", "dead-layer", severity, site, "m", Observed("o"), Expected("e"), when=Moment(update))


EVALUATION = st.tuples(st.integers(1, 40), st.sets(st.sampled_from("ab")), st.sampled_from(Severity))


def ledger_of(evaluations: list[tuple[int, set[str], Severity]]) -> Ledger:
    """The ledger of a run: at each evaluation some updates later, some of two findings were made."""
    ledger, update = Ledger(), 0
    for pause, names, severity in evaluations:
        update += pause
        ledger = ledger.observe([finding(name, update, severity) for name in sorted(names)], update)
    return ledger


ledgers = st.lists(EVALUATION, max_size=24).map(ledger_of)


@given(ledgers, ledgers, ledgers)
@settings(max_examples=60, deadline=None)
def test_merging_is_associative_commutative_and_idempotent(a: Ledger, b: Ledger, c: Ledger) -> None:
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(b) == b.merge(a)
    assert a.merge(a) == a
    assert a.merge(Ledger()) == a


@given(ledgers, ledgers)
@settings(max_examples=60, deadline=None)
def test_a_merged_ledger_covers_both_and_is_bounded(a: Ledger, b: Ledger) -> None:
    both = a.merge(b)
    for ledger in (a, b, both):
        for key, record in ledger.records.items():
            assert len(record.intervals) <= PAUSES_PER_RUN + 1
            merged = both.records[key]
            assert all(
                any(m.first <= one.first and one.last <= m.last for m in merged.intervals) for one in record.intervals
            )
            assert merged.finding.severity >= record.finding.severity
    for key, record in both.records.items():
        parts = [ledger.records[key] for ledger in (a, b) if key in ledger.records]
        assert record.intervals[0].first == min(part.intervals[0].first for part in parts)
        assert record.last == max(part.last for part in parts)
