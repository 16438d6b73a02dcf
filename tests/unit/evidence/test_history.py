"""What a report says of findings that evaluations during the run made: which hold, and which are history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from spikecheck.checks.judge import Judge
from spikecheck.checks.spk203_dead_layer import DeadLayer
from spikecheck.checks.spk406_weight_scale import WeightScale
from spikecheck.evidence.evidence import Evidence
from spikecheck.evidence.findings import plain_record, rebuild_record
from spikecheck.finding import Expected, Finding, FindingState, Interval, Observed, Severity
from spikecheck.ledger import Ledger, Record
from spikecheck.report.model import Report
from spikecheck.settings import Settings
from spikecheck.site import Moment, SiteKind
from tests.unit.checks.build import NonFinite, flow, loss, observe, parameter, site, spikes

SILENT = spikes(active=0, count=0.0, maximum=0.0, values=(0.0,), silent_neurons=64, max_count=0.0)
NAN = spikes(non_finite=NonFinite(9, 100, Moment(7)))
STUCK = loss(first=3.0, recent_mean=3.0, recent_slope=0.0)


def dead() -> Finding:
    at = site(SiteKind.SPIKES, "lif1")
    observed = Observed("", steps=200, neurons=64)
    return DeadLayer().finding(at, observed=observed, expected=Expected("spikes"), when=Moment(0), what="is silent")


def report(now: object, *records: Record, weight: Iterable[object] = (parameter(),), rules: str = "") -> Report:
    observations = observe({"fc1.weight": weight, "lif1": [now, flow()], "loss": [STUCK]})
    judge = Judge.of(Settings(ignore={rules: "meant"} if rules else {}))
    return Evidence(observations, Ledger.of(records, 20)).report(judge)


def problems(made: Report) -> list[str]:
    return [finding.check for finding in made.at_least(Severity.WARNING)]


WOKE = Record(dead(), (Interval(0, 9),), last_absent=20)


def test_what_is_over_is_history_however_little_was_learned() -> None:
    made = report(spikes(), WOKE)
    assert not problems(made)
    assert not any(finding.check == "SPK203" for finding in made.findings)
    (past,) = made.history
    assert (past.message, past.dates, past.state) == ("lif1 was silent", "until update 9", FindingState.OVER)
    assert "history  SPK203  lif1 was silent, until update 9" in str(made)


def test_what_still_holds_keeps_its_date() -> None:
    made = report(SILENT, Record(dead(), (Interval(0, 20),)))
    (finding,) = [finding for finding in made.findings if finding.check == "SPK203"]
    assert (finding.state, finding.when, made.history) == (FindingState.ACTIVE, Moment(0), ())


def test_what_came_back_is_dated_from_its_return_and_says_when_it_held_before() -> None:
    made = report(SILENT, Record(dead(), (Interval(0, 4), Interval(15, 20)), last_absent=10))
    (finding,) = [finding for finding in made.findings if finding.check == "SPK203"]
    assert finding.when == Moment(15)
    assert "after update 15; earlier: until update 4" in str(made)


def test_what_comes_and_goes_is_intermittent_while_it_does_not_hold() -> None:
    made = report(spikes(), Record(dead(), (Interval(0, 2), Interval(5, 7), Interval(12, 13)), last_absent=20))
    (past,) = made.history
    assert past.state is FindingState.INTERMITTENT
    assert past.dates == "until update 2, updates 5 to 7 and 12 to 13"
    assert "(comes and goes)" in str(made)


def test_nothing_is_over_at_a_site_that_is_not_finite() -> None:
    assert "SPK203" in problems(report(NAN, WOKE))
    bad = parameter(non_finite=NonFinite(3, 6400, Moment(7)))
    at = site(SiteKind.PARAMETER, "fc1.weight")
    large = WeightScale().finding(at, observed=Observed("", scale=26.5, comparison=""), expected=Expected(""))
    record = Record(large, (Interval(0, 5),), last_absent=20)
    assert "SPK406" in problems(report(spikes(), record, weight=(bad,)))
    assert "SPK406" not in problems(report(spikes(), record))


def test_nothing_is_over_at_a_site_that_is_no_longer_observed() -> None:
    at = site(SiteKind.SPIKES, "gone")
    gone = DeadLayer().finding(at, observed=Observed("", steps=1, neurons=1), expected=Expected(""), what="is silent")
    assert problems(report(spikes(), Record(gone, (Interval(0, 9),), last_absent=20))) == ["SPK203"]


def test_what_is_ignored_is_no_history() -> None:
    assert not report(spikes(), WOKE, rules="SPK203:lif1").history


@pytest.mark.parametrize(
    ("until", "intervals", "absent"),
    [(None, (Interval(0, 0),), -1), (12, (Interval(0, 11),), 12)],
    ids=["it held", "it was over"],
)
def test_evidence_of_earlier_versions_is_read(until: int | None, intervals: tuple[Interval, ...], absent: int) -> None:
    old = {key: value for key, value in plain_record(WOKE).items() if key not in ("intervals", "last_absent")}
    record = rebuild_record(DeadLayer, {**old, "until": until}, str)
    assert (record.intervals, record.last_absent) == (intervals, absent)


def test_a_record_comes_back_as_it_was() -> None:
    record = rebuild_record(DeadLayer, plain_record(WOKE), str)
    causes = record.finding.explained_by  # with those that other checks name
    assert set(causes) >= set(WOKE.finding.explained_by)
    assert record == replace(WOKE, finding=replace(WOKE.finding, explained_by=causes))
