"""The values of a loss over the run: the first one, the recent ones, and a trace of all."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from spikecheck.readings import LossReading
from spikecheck.site import Capture, LossCall, SiteKind
from spikecheck.stats.base import State, Statistic, keep_first, merged_by
from spikecheck.stats.layout import NonFiniteState

T = TypeVar("T")

TRACE = 128  # losses kept of the whole run: more than a plot can show
LATEST = 8  # losses that show whether a jump is over
WINDOW = 64  # recent losses: enough for the slope of a noisy loss, few enough to be recent


@dataclass(frozen=True)
class TraceState(State):
    """Losses of the whole run in fixed memory: of every update, later of every 2nd, 4th, ... update.

    Which losses are kept depends only on the numbers of their updates, so the order of adding states does not matter.
    """

    values: Tensor = merged_by(keep_first)
    updates: tuple[int, ...] = merged_by(keep_first)
    stride: int = merged_by(max)

    @classmethod
    def of(cls, losses: Tensor, updates: tuple[int, ...]) -> TraceState:
        """Return the trace of the losses of updates."""
        first = cls(losses[:1], updates[:1], 1)
        return first + cls(losses[1:], updates[1:], 1) if len(updates) > 1 else first

    def __add__(self, other: TraceState) -> TraceState:
        """Merge and thin out; of two losses of the same update keep the earlier one."""
        stride = max(self.stride, other.stride)
        updates = (*self.updates, *other.updates)
        index_of: dict[int, int] = {}
        for index, update in enumerate(updates):
            if update % stride == 0:
                index_of.setdefault(update, index)
        while len(index_of) > TRACE:
            stride *= 2
            index_of = {update: index for update, index in index_of.items() if update % stride == 0}
        indices = tuple(index_of.values())
        if indices == tuple(range(len(self.updates))):
            return TraceState(self.values, self.updates, stride)
        values = torch.cat([self.values, other.values])
        if len(indices) < len(updates):  # by views: an index tensor would have to be copied to the device
            values = torch.stack([values[index] for index in indices])
        return TraceState(values, tuple(index_of), stride)


def last_of(a: Tensor, b: Tensor) -> Tensor:
    """Merge rule: keep the last WINDOW entries."""
    return torch.cat([a, b])[-WINDOW:]


def first_known(a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
    """Merge rule: keep the first that is not empty."""
    return a or b


@dataclass(frozen=True)
class LossState(State):
    """The first loss, the last WINDOW losses, the minimum, and the trace."""

    first: Tensor = merged_by(keep_first)
    recent: Tensor = merged_by(last_of)
    lowest: Tensor = merged_by(torch.minimum)
    bad: NonFiniteState = merged_by(operator.add)
    updates: int = merged_by(operator.add)
    function: str = merged_by(keep_first)
    classes: int | None = merged_by(keep_first)
    plain: bool = merged_by(operator.and_)
    trace: TraceState = merged_by(operator.add)
    broadcast: tuple[tuple[int, ...], ...] = merged_by(first_known)
    softmax_axes: tuple[tuple[int, ...], ...] = merged_by(first_known)
    stacked_rows: tuple[int, ...] = merged_by(first_known)


class LossStats(Statistic[LossState]):
    """Values of one loss function, one per update: first, minimum, trace, and a linear fit to the recent ones.

    Unit: that of the loss (nats for cross-entropy).
    Input: the loss values of one update, averaged.
    Memory: WINDOW + TRACE + 2 floats. Cost: one mean per update.
    Not visible: differences between samples.

    The slope, its standard error and the residual standard deviation are those of ordinary least squares over the last
    WINDOW losses, with n - 2 degrees of freedom.
    """

    kind: ClassVar = SiteKind.LOSS
    reading: ClassVar = LossReading
    tier: ClassVar = 1
    order_matters: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> LossState:
        """Average the loss calls of one update."""
        value = torch.stack([v.detach().float().mean() for v in capture.values]).mean().reshape(1)
        return self.state_of(value, [capture])

    def measure_many(self, captures: Sequence[Capture[Tensor]]) -> LossState:
        """Measure several updates with one call of the loss each in one go."""
        if any(len(capture.values) != 1 for capture in captures):
            return super().measure_many(captures)
        values = torch.stack([capture.values[0].detach() for capture in captures]).float()
        return self.state_of(values.reshape(len(captures), -1).mean(1), captures)

    def state_of(self, losses: Tensor, captures: Sequence[Capture[Tensor]]) -> LossState:
        """Return the state of the losses of updates."""
        updates = tuple([capture.update for capture in captures])
        call = captures[0].loss_call or LossCall("unknown", plain_mean=False)
        return LossState(
            first=losses[:1],
            recent=losses[-WINDOW:],
            lowest=losses.amin().reshape(1),
            bad=NonFiniteState.of_updates(losses.unsqueeze(1), updates),
            updates=len(updates),
            function=call.function,
            classes=call.classes,
            plain=call.plain_mean,
            trace=TraceState.of(losses, updates),
            broadcast=call.broadcast_shapes,
            softmax_axes=call.softmax_axes,
            stacked_rows=call.stacked_rows,
        )

    def join(self, states: Sequence[LossState]) -> LossState:
        """Average the losses of several processes: the loss of an update is the mean over its whole batch."""
        if len(states) == 1:
            return states[0]
        latest = min(len(state.recent) for state in states)
        common = [u for u in states[0].trace.updates if all(u in state.trace.updates for state in states)]
        at = [[state.trace.values[state.trace.updates.index(u)] for u in common] for state in states]
        values = torch.tensor(at, dtype=torch.float32).mean(0) if common else states[0].trace.values[:0]
        return replace(
            states[0],
            first=torch.stack([state.first for state in states]).mean(0),
            recent=torch.stack([state.recent[len(state.recent) - latest :] for state in states]).mean(0),
            lowest=torch.stack([state.lowest for state in states]).mean(0),
            bad=reduce(operator.add, [state.bad for state in states]),
            updates=max(state.updates for state in states),
            trace=TraceState(values, tuple(common), max(state.trace.stride for state in states)),
        )

    def summarize(self, state: LossState) -> tuple[LossReading, ...]:
        """Copy the losses to the host and fit a straight line to the recent ones."""
        recent = state.recent.double()
        n = len(recent)
        mean = deviation = slope = error = None
        if n:
            mean = recent.mean().item()
        if n > 2:
            t = torch.arange(n, dtype=torch.float64, device=recent.device) - (n - 1) / 2
            b = (t * recent).sum() / t.square().sum()
            residual = (recent - recent.mean() - b * t).square().sum().div(n - 2).sqrt()
            slope, deviation = b.item(), residual.item()
            error = residual.div(t.square().sum().sqrt()).item()
        return (
            LossReading(
                function=state.function,
                updates=state.updates,
                first=state.first.item(),
                last=recent[-1].item() if n else None,
                minimum=state.lowest.item(),
                window=n,
                recent_mean=mean,
                recent_deviation=deviation,
                recent_slope=slope,
                recent_slope_error=error,
                classes=state.classes,
                plain_mean=state.plain,
                non_finite=state.bad.reading(time_axis_known=False),
                latest=tuple(recent[-LATEST:].tolist()),
                trace=tuple(zip(state.trace.updates, state.trace.values.tolist(), strict=True)),
                broadcast_shapes=state.broadcast,
                softmax_axes=state.softmax_axes,
                stacked_rows=state.stacked_rows,
            ),
        )
