"""Timelines: what every forward pass and update shows, over the whole run, in fixed memory.

These statistics are of tier 1, so that nothing is missed between the forward passes that tier 2 measures. A forward
pass is reduced to a few numbers per time step. These are kept as they are for up to MAX_PENDING forward passes and then
reduced together, since in a small network the number of operations costs more than the numbers.

The points of a timeline are intervals of `width` updates that begin at multiples of it. The width is the smallest power
of 2 for which the latest update is in one of `timelines.MAX_POINTS` intervals. So it depends on nothing but the latest
update, and the order in which states are added makes no difference.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from spikecheck.readings import NonFinite
from spikecheck.site import Capture, Moment, SiteKind
from spikecheck.stats.base import State, merged_by
from spikecheck.stats.intervals import Interval, Pass, Steps, merge_steps
from spikecheck.stats.layout import MAX_TIME_STEPS, NEVER, Raster, RasterStatistic, joined
from spikecheck.timelines import (
    CurrentTimelineReading,
    EvaluationSpikeTimelineReading,
    InputTimelineReading,
    PotentialTimelineReading,
    SpikeTimelineReading,
    TimelinePoint,
    TimelineReading,
    width_for,
)

MAX_PENDING = 64  # forward passes that are reduced together
MAX_PENDING_STEPS = 8_192  # time steps that wait to be reduced, where all passes are as long as the latest: 64 KB
KINDS = ("NaN", "infinity", "-infinity")  # of a sum; the sum of both infinities is NaN


@dataclass(frozen=True)
class TimelineState(State):
    """The intervals with one row of numbers each, what is not finite, and the forward passes that are to be added."""

    latest: int = merged_by(max)
    intervals: tuple[Interval, ...] = merged_by(operator.add)
    rows: Tensor = merged_by(operator.add)  # [interval, 3]: sum, finite time steps, sum of the second quantity
    maxima: Tensor = merged_by(torch.maximum)  # [interval]
    bad: Tensor = merged_by(torch.add)  # time steps with a sum that is not finite
    first: Tensor = merged_by(torch.minimum)  # the first: (update * MAX_TIME_STEPS + time step) * len(KINDS) + kind
    last: Tensor = merged_by(torch.maximum)  # the last one: update * MAX_TIME_STEPS + time step; -1 for none
    time_axis_known: bool = merged_by(operator.and_)
    pending: tuple[Pass, ...] = merged_by(operator.add)
    time_steps: Steps | None = merged_by(merge_steps)

    @classmethod
    def of(cls, *passes: Pass, time_axis_known: bool = False, time_steps: Steps | None = None) -> TimelineState:
        """Return the state of forward passes or updates in their order."""
        latest, none = passes[-1], nothing_on(passes[-1].sums.device)
        numbers = none.intervals, none.rows, none.maxima, none.bad, none.first, none.last
        return cls(latest.update, *numbers, time_axis_known, passes, time_steps)  # `replace` takes twice as long

    def __add__(self, other: TimelineState) -> TimelineState:
        """Merge both; the earlier one is dropped where it is on another device."""
        if self.rows.device != other.rows.device:
            return other
        if not other.intervals:
            pending = (*self.pending, *other.pending)
            both = TimelineState(
                max(self.latest, other.latest),
                self.intervals,
                self.rows,
                self.maxima,
                self.bad,
                self.first,
                self.last,
                self.time_axis_known and other.time_axis_known,
                pending,
                merge_steps(self.time_steps, other.time_steps),
            )
            full = len(pending) >= MAX_PENDING or len(pending) * len(pending[-1].sums) > MAX_PENDING_STEPS
            return both.reduced() if full else both
        a, b = self.reduced(), other.reduced()
        return merged(
            (*a.intervals, *b.intervals),
            torch.cat([a.rows, b.rows]),
            torch.cat([a.maxima, b.maxima]),
            a.bad + b.bad,
            torch.minimum(a.first, b.first),
            torch.maximum(a.last, b.last),
            a.time_axis_known and b.time_axis_known,
            max(a.latest, b.latest),
            merge_steps(a.time_steps, b.time_steps),
        )

    def shapes(self) -> tuple[object, ...]:
        """Return what must match."""
        return (self.rows.device,)

    def reduced(self) -> TimelineState:
        """Add the pending forward passes to the intervals."""
        if not self.pending:
            return self
        passes = self.pending
        sums = padded([one.sums for one in passes], 0.0).double()  # [pass, time]
        bad = ~torch.isfinite(sums)
        first, last, bad_steps = self.first, self.last, sums.new_zeros(len(passes))
        if sums.device.type != "cpu" or bool(bad.any()):  # on the host, to ask is cheaper than to compute
            first, last = self.first_and_last(sums, bad)
            bad_steps = bad.sum(1).double()
            sums = sums.where(~bad, 0.0)
        lengths = torch.tensor([one.sums.shape[0] for one in passes], dtype=torch.float64, device="cpu")
        rows = [sums.sum(1), lengths.to(sums.device, non_blocking=True) - bad_steps, extras(passes, sums)]
        return merged(
            (*self.intervals, *map(Interval.of, passes)),
            torch.cat([self.rows, torch.stack(rows, 1)]),
            torch.cat([self.maxima, maxima_of(passes, sums)]),
            self.bad + bad_steps.sum().long(),
            first,
            last,
            self.time_axis_known,
            self.latest,
            self.time_steps,
        )

    def first_and_last(self, sums: Tensor, bad: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first and the last time step that is not finite, those of the pending passes among them."""
        starts = torch.tensor([one.update * MAX_TIME_STEPS for one in self.pending], device="cpu")
        steps = torch.arange(sums.shape[1], device=sums.device)
        at = starts.to(sums.device, non_blocking=True).unsqueeze(1) + steps
        kind = (sums == torch.inf).long() + 2 * (sums == -torch.inf).long()
        first = torch.cat([(at * len(KINDS) + kind).where(bad, NEVER).flatten(), self.first.reshape(1)]).amin()
        return first, torch.cat([at.where(bad, -1).flatten(), self.last.reshape(1)]).amax()

    @property
    def is_meta(self) -> bool:
        """Return whether the state was measured from meta tensors, which have no values."""
        return self.rows.is_meta

    @property
    def shows_break(self) -> bool:
        """Return whether the latest forward pass, or one that is added to the intervals, has a value not finite."""
        if self.rows.device.type != "cpu":
            return False
        return bool(self.bad) or (bool(self.pending) and not bool(torch.isfinite(self.pending[-1].sums).all()))

    def non_finite(self) -> NonFinite:
        """Return what is not finite; waits for the device: call it in `summarize` only."""
        steps, count = sum(one.steps for one in self.intervals), int(self.bad)
        if not count:
            return NonFinite(0, steps)
        at, kind = divmod(int(self.first), len(KINDS))
        update, step = divmod(at, MAX_TIME_STEPS)
        moment = Moment(update, step if self.time_axis_known else None)
        return NonFinite(count, steps, moment, KINDS[kind], int(self.last) // MAX_TIME_STEPS)

    def points(self, rows: Sequence[Sequence[float]], maxima: Sequence[float]) -> tuple[TimelinePoint, ...]:
        """Return the points; `rows` and `maxima` are those of the state, copied to the host."""
        width = width_for(self.latest)
        numbers = zip(self.intervals, rows, maxima, strict=True)
        return tuple(
            TimelinePoint(
                update=one.start,
                last_update=min(one.start + width - 1, self.latest),
                passes=one.passes,
                mean=total * one.steps / (one.elements * finite) if one.elements and finite else None,
                maximum=None if maximum == -torch.inf else maximum,
                silent=extra / one.extra_of if one.extra_of else None,
            )
            for one, (total, finite, extra), maximum in numbers
        )


@cache
def nothing_on(device: torch.device) -> TimelineState:
    """Return a state without any forward pass."""
    number = torch.zeros((), dtype=torch.int64, device=device)
    rows = torch.zeros((0, 3), dtype=torch.float64, device=device)
    return TimelineState(0, (), rows, rows[:, 0], number, number + NEVER, number - 1, True, (), None)


def merged(
    intervals: Sequence[Interval],
    rows: Tensor,
    maxima: Tensor,
    bad: Tensor,
    first: Tensor,
    last: Tensor,
    time_axis_known: bool,
    latest: int,
    time_steps: Steps | None,
) -> TimelineState:
    """Return the state with intervals of the width that the latest update asks for, in order."""
    width = width_for(latest)
    starts = [one.start // width * width for one in intervals]
    parts: dict[int, list[Interval]] = {}
    for start, one in zip(starts, intervals, strict=True):
        parts.setdefault(start, []).append(one)
    ordered = sorted(parts)
    number = {start: index for index, start in enumerate(ordered)}
    index = torch.tensor([number[start] for start in starts], device="cpu").to(rows.device, non_blocking=True)
    belongs = index == torch.arange(len(ordered), device=rows.device).unsqueeze(1)
    maxima = maxima.where(belongs, -torch.inf).amax(1)
    return TimelineState(
        latest,
        tuple([Interval.joined(start, parts[start]) for start in ordered]),
        belongs.double() @ rows,
        maxima,
        bad,
        first,
        last,
        time_axis_known,
        (),
        time_steps,
    )


def extras(passes: Sequence[Pass], like: Tensor) -> Tensor:
    """Return the second quantity of each pass [pass], 0 where it has none."""
    known = [one.extra for one in passes if one.extra is not None]
    if not known:
        return like.new_zeros(len(passes))
    return torch.stack([known[0].new_zeros(()) if one.extra is None else one.extra for one in passes]).double()


def maxima_of(passes: Sequence[Pass], like: Tensor) -> Tensor:
    """Return the largest value of each pass [pass], minus infinity where it has none; NaN is passed over."""
    known = [one.maxima for one in passes if one.maxima is not None and one.maxima.shape[0]]
    if not known:
        return like.new_full((len(passes),), -torch.inf)
    none = known[0].new_full((1,), -torch.inf)
    rows = [none if one.maxima is None or not one.maxima.shape[0] else one.maxima for one in passes]
    maxima = padded(rows, -torch.inf).double()
    return maxima.where(~maxima.isnan(), -torch.inf).amax(1)


def padded(rows: list[Tensor], value: float) -> Tensor:
    """Return rows as one tensor, the shorter ones with this value at their end."""
    if len({row.shape for row in rows}) == 1:
        return torch.stack(rows)
    return pad_sequence(rows, batch_first=True, padding_value=value)


def by_pass(steps: Tensor, captures: Sequence[Capture[Tensor]]) -> tuple[Tensor, ...]:
    """Return what is known of each time step [pass * time], pass by pass."""
    return steps.reshape(len(captures), -1).unbind()


class Timeline(RasterStatistic[TimelineState]):
    """The values of every forward pass, summed by time step: what is not finite, and where that began.

    Unit: that of the values.
    Input: values [time, batch, neuron] of one forward pass.
    Memory: four numbers in each of 64 intervals, and one per time step of up to 64 forward passes. Cost: one sum.
    Not visible: which neuron or sample. A sum of finite values that overflows counts as infinite.
    """

    reading: ClassVar[type[TimelineReading]]
    tier: ClassVar = 1
    windowed: ClassVar = False

    def measure_raster(self, raster: Raster) -> TimelineState:
        """Reduce one forward pass."""
        return self.reduce(raster, [raster.capture])

    def measure_many(self, captures: Sequence[Capture[Tensor]]) -> TimelineState:
        """Reduce several forward passes in one go."""
        return self.reduce(Raster(joined(captures)), captures)

    def reduce(self, raster: Raster, captures: Sequence[Capture[Tensor]]) -> TimelineState:
        """Sum the values of each time step of captures whose values are joined in a raster."""
        sums, elements = by_pass(raster.step_sums, captures), raster.elements // len(captures)
        passes = [Pass(capture.update, of_steps, elements) for capture, of_steps in zip(captures, sums, strict=True)]
        return TimelineState.of(*passes, time_axis_known=captures[0].layout.time is not None)

    def summarize(self, state: TimelineState) -> tuple[Any, ...]:
        """Copy to the host what is not finite: the mean of a current says too little to keep 64 of them."""
        return (self.reading((), state.reduced().non_finite()),)


class InputTimelineStats(Timeline):
    """What is not finite in the input of the model; see `Timeline`."""

    kind: ClassVar = SiteKind.INPUT
    reading: ClassVar = InputTimelineReading


class CurrentTimelineStats(Timeline):
    """What is not finite in the input current of a spiking layer; see `Timeline`."""

    kind: ClassVar = SiteKind.CURRENT
    reading: ClassVar = CurrentTimelineReading


class PotentialTimelineStats(Timeline):
    """What is not finite in the membrane potential of a spiking layer; see `Timeline`."""

    kind: ClassVar = SiteKind.POTENTIAL
    reading: ClassVar = PotentialTimelineReading


class SpikeTimelineStats(Timeline):
    """Firing rate, largest value and share of silent neurons of a layer, in every forward pass.

    Unit: spikes per neuron and time step.
    Input: spikes [time, batch, neuron] of one forward pass.
    Memory: four numbers in each of 64 intervals, and two per time step of up to 64 forward passes. Cost: one sum and
    one maximum over the spikes.
    Not visible: which neuron or sample; a neuron is silent where its spikes of one forward pass add up to 0.
    """

    kind: ClassVar = SiteKind.SPIKES
    reading: ClassVar = SpikeTimelineReading
    evaluation_reading: ClassVar = EvaluationSpikeTimelineReading

    def reduce(self, raster: Raster, captures: Sequence[Capture[Tensor]]) -> TimelineState:
        """Sum the spikes of each time step and find the largest value; count the neurons that stay silent in a pass."""
        batch_sums, step_maxima = raster.batch_sums_and_step_maxima
        steps, neurons = len(batch_sums) // len(captures), batch_sums.shape[1]
        sums, maxima = by_pass(batch_sums.sum(1), captures), by_pass(step_maxima, captures)
        silent = (batch_sums.reshape(len(captures), steps, neurons).sum(1) == 0).sum(1).unbind()
        elements = raster.elements // len(captures)
        passes = [
            Pass(capture.update, of_steps, elements, neurons, largest, none)
            for capture, of_steps, largest, none in zip(captures, sums, maxima, silent, strict=True)
        ]
        time_steps = Steps.of(captures[0], steps)
        return TimelineState.of(*passes, time_axis_known=captures[0].layout.time is not None, time_steps=time_steps)

    def summarize(self, state: TimelineState) -> tuple[SpikeTimelineReading, ...]:
        """Copy the points to the host."""
        reduced = state.reduced()
        points = reduced.points(reduced.rows.tolist(), reduced.maxima.tolist())
        steps = None if reduced.time_steps is None else reduced.time_steps.reading()
        return (SpikeTimelineReading(points, reduced.non_finite(), steps),)
