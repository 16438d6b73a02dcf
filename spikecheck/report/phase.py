"""One phase of a training: the report without what only concerns the updates before."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from spikecheck.finding import Finding, Interval, Verdict
from spikecheck.report.model import LayerRow, LossRow, OptimizerRow, Report, WeightRow
from spikecheck.timelines import TimelineReading

T = TypeVar("T", bound=TimelineReading)


def phase(report: Report, since: int) -> Report:
    """Return the report on the updates from this one on.

    What holds now stays, with its dates; what was over before is left out. The courses begin with the interval of a
    timeline that has this update.
    """
    return Report.of(
        [replace(verdict, history=later(verdict, since)) for verdict in report.verdicts],
        unseen=report.unseen,
        layers=tuple(layer_since(row, since) for row in report.layers),
        losses=tuple(loss_since(row, since) for row in report.losses),
        weights=tuple(WeightRow(row.name, row.elements, row.scale) for row in report.weights),
        optimizers=tuple(
            OptimizerRow(row.name, timeline)
            for row in report.optimizers
            if (timeline := timeline_since(row.timeline, since)) is not None
        ),
        frameworks=report.frameworks,
        updates=report.updates,
        observed_updates=report.observed_updates,
        forward_passes=report.forward_passes,
        cost=report.cost,
        start_cost=report.start_cost,
        subject=report.subject,
        since=since,
    )


def later(verdict: Verdict, since: int) -> tuple[Finding, ...]:
    """Return the history that is not over before this update, with the dates from there on."""
    return tuple(
        replace(finding, intervals=intervals)
        for finding in verdict.history
        if (intervals := intervals_since(finding.intervals, since))
    )


def intervals_since(intervals: tuple[Interval, ...], since: int) -> tuple[Interval, ...]:
    """Return the parts of intervals from an update on."""
    return tuple(Interval(max(one.first, since), one.last) for one in intervals if one.last >= since)


def timeline_since(timeline: T | None, since: int) -> T | None:
    """Return the points that end at this update or later."""
    if timeline is None:
        return None
    return replace(timeline, points=tuple(point for point in timeline.points if point.last_update >= since))


def layer_since(row: LayerRow, since: int) -> LayerRow:
    """Return the row of a layer: its latest activity, and its course from an update on."""
    return replace(row, spikes=row.latest, first=None, timeline=timeline_since(row.timeline, since))


def loss_since(row: LossRow, since: int) -> LossRow:
    """Return the row of a loss: its course from an update on, and the first and lowest values that are known of it."""
    trace = tuple((update, value) for update, value in row.loss.trace if update >= since)
    values = [value for _, value in trace]
    loss = replace(
        row.loss,
        updates=max(0, row.loss.updates - since),
        first=values[0] if values else row.loss.last,
        minimum=min(values, default=row.loss.last),
        trace=trace,
    )
    return replace(row, loss=loss, timeline=timeline_since(row.timeline, since))
