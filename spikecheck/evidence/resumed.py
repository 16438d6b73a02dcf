"""Join the reports on the parts of a training that was resumed: one course, one history, dates of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from spikecheck.checks.discovery import discover
from spikecheck.diagnosis import Cause
from spikecheck.finding import Finding, FindingState, Interval, Verdict
from spikecheck.ledger import MIN_INTERVALS, joined
from spikecheck.report.model import LayerRow, LossRow, OptimizerRow, Report, WeightRow
from spikecheck.report.state import UNLEARNED
from spikecheck.timelines import TimelineReading, joined_points

Key = tuple[str, str, str]
Parts = Sequence[tuple[int, Report]]  # the updates made before each part, and its report
T = TypeVar("T", bound=TimelineReading)
Row = TypeVar("Row", LayerRow, LossRow, WeightRow, OptimizerRow)
MAX_TRACE = 128  # losses of the whole run that are kept by their update


def joined_report(parts: Parts) -> Report:
    """Return one report on all parts of a training, the last of which says what holds now."""
    (_, last), updates = parts[-1], parts[-1][0] + parts[-1][1].updates
    earlier = [report for _, report in parts[:-1]]
    learned = any(all(one.kind not in UNLEARNED for one in report.unseen) for report in earlier)
    return Report.of(
        [joined_verdict(verdict, parts, updates) for verdict in last.verdicts],
        unseen=(one for one in last.unseen if not (learned and one.kind in UNLEARNED)),
        layers=tuple(joined_layer(row, rows_of(row, parts, "layers")) for row in last.layers),
        losses=tuple(joined_loss(row, rows_of(row, parts, "losses")) for row in last.losses),
        optimizers=tuple(joined_optimizer(row, rows_of(row, parts, "optimizers")) for row in last.optimizers),
        weights=tuple(joined_weight(row, rows_of(row, parts, "weights")) for row in last.weights),
        frameworks=last.frameworks,
        updates=updates,
        observed_updates=sum(report.observed_updates for _, report in parts),
        forward_passes=sum(report.forward_passes for _, report in parts),
        cost=last.cost,
        start_cost=last.start_cost,
    )


def shifted_cause(cause: Cause, updates: int) -> Cause:
    """Return a root cause with the dates of the whole training, after so many updates of earlier parts."""
    return Cause(shifted(cause.finding, updates), tuple(shifted(one, updates) for one in cause.consequences))


def shifted(finding: Finding, updates: int) -> Finding:
    """Return a finding with dates of the whole training."""
    when = finding.when if finding.when.stored else replace(finding.when, update=finding.when.update + updates)
    intervals = tuple(Interval(one.first + updates, one.last + updates) for one in finding.intervals)
    return replace(finding, when=when, intervals=intervals)


def joined_verdict(last: Verdict, parts: Parts, updates: int) -> Verdict:
    """Return the verdict of the last part, with what the parts before found: it holds longer, or it is history."""
    offset, past = parts[-1][0], dict[Key, Finding]()
    dates: dict[Key, list[Interval]] = {}
    for before, report in parts[:-1]:
        for finding in (shifted(one, before) for one in findings_of(last.check, report)):
            past.setdefault(finding.key, finding)
            dates.setdefault(finding.key, []).extend(intervals_of(finding))
    findings, history = [], []
    for finding in (shifted(one, offset) for one in last.findings):
        earlier = dates.pop(finding.key, None)
        if earlier is not None:
            intervals = joined([*earlier, *intervals_of(finding)], updates)
            finding = replace(finding, when=replace(finding.when, update=intervals[-1].first), intervals=intervals)
        findings.append(finding)
    for finding in (shifted(one, offset) for one in last.history):
        intervals = joined([*dates.pop(finding.key, ()), *intervals_of(finding)], updates)
        history.append(in_history(finding, intervals))
    history += [in_history(past[key], joined(intervals, updates)) for key, intervals in dates.items()]
    return replace(last, findings=tuple(findings), history=tuple(history))


def findings_of(check: str, report: Report) -> Iterator[Finding]:
    """Return what a check found in one part; what it reported at the end held until then, evaluated or not."""
    for verdict in (verdict for verdict in report.verdicts if verdict.check == check):
        yield from verdict.history
        for finding in verdict.findings:
            *before, latest = intervals_of(finding)
            yield replace(finding, intervals=(*before, Interval(latest.first, max(latest.last, report.updates))))


def intervals_of(finding: Finding) -> tuple[Interval, ...]:
    """Return when a finding held, as far as it is known."""
    return finding.intervals or (Interval(finding.when.update, finding.when.update),)


def in_history(finding: Finding, intervals: tuple[Interval, ...]) -> Finding:
    """Return a finding that no longer holds, in the past tense."""
    check = discover().get(finding.check)
    return replace(
        finding,
        message=finding.message if check is None else check().past_message(finding.site),
        when=replace(finding.when, update=intervals[0].first),
        intervals=intervals,
        state=FindingState.INTERMITTENT if len(intervals) >= MIN_INTERVALS else FindingState.OVER,
    )


# -- the rows of the tables


def rows_of(row: Row, parts: Parts, table: str) -> list[tuple[int, Row]]:
    """Return the rows of this name, in every part that has one."""
    return [(before, one) for before, report in parts for one in getattr(report, table) if one.name == row.name]


def joined_timeline(timelines: Iterable[tuple[int, T | None]], last: T | None) -> T | None:
    """Return the timeline of all parts, in as many intervals as that of one."""
    points = [
        replace(point, update=point.update + before, last_update=point.last_update + before)
        for before, timeline in timelines
        if timeline is not None
        for point in timeline.points
    ]
    return None if last is None else replace(last, points=joined_points(points))


def joined_layer(last: LayerRow, rows: list[tuple[int, LayerRow]]) -> LayerRow:
    """Return the row of a layer: its activity is that of the last part, its course that of all."""
    timeline = joined_timeline(((before, row.timeline) for before, row in rows), last.timeline)
    offset = rows[-1][0]
    recent = None if last.recent is None else replace(last.recent, update=last.recent.update + offset)
    return replace(last, first=rows[0][1].first, recent=recent, timeline=timeline)


def joined_loss(last: LossRow, rows: list[tuple[int, LossRow]]) -> LossRow:
    """Return the row of a loss: first, lowest and course are those of all parts."""
    losses = [row.loss for _, row in rows]
    trace = [(update + before, value) for before, row in rows for update, value in row.loss.trace]
    return replace(
        last,
        loss=replace(
            last.loss,
            updates=sum(loss.updates for loss in losses),
            first=losses[0].first,
            minimum=min((loss.minimum for loss in losses if loss.minimum is not None), default=None),
            non_finite=replace(last.loss.non_finite, count=sum(loss.non_finite.count for loss in losses)),
            trace=tuple(trace[:: -(-len(trace) // MAX_TRACE) or 1]),
        ),
        timeline=joined_timeline(((before, row.timeline) for before, row in rows), last.timeline),
    )


def joined_optimizer(last: OptimizerRow, rows: list[tuple[int, OptimizerRow]]) -> OptimizerRow:
    """Return the row of an optimizer: its course is that of all parts."""
    timeline = joined_timeline(((before, row.timeline) for before, row in rows), last.timeline)
    return last if timeline is None else replace(last, timeline=timeline)


def joined_weight(last: WeightRow, rows: list[tuple[int, WeightRow]]) -> WeightRow:
    """Return the row of a weight: its initial size is that of the first part."""
    return replace(last, initial=rows[0][1].initial)
