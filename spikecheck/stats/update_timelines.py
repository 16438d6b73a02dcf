"""Timelines of what an update has one value of: the logits, the loss, and an optimizer's gradients and updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import Statistic
from spikecheck.stats.intervals import Pass
from spikecheck.stats.layout import maximum
from spikecheck.stats.losses import class_rows
from spikecheck.stats.parameters import norms, zero_non_finite
from spikecheck.stats.timeline import TimelineState
from spikecheck.timelines import (
    LogitTimelineReading,
    LossTimelineReading,
    OptimizerPoint,
    OptimizerTimelineReading,
    TimelineReading,
)


class UpdateTimeline(Statistic[TimelineState]):
    """A quantity with one value per update."""

    reading: ClassVar[type[TimelineReading]]
    tier: ClassVar = 1
    windowed: ClassVar = False

    def measure_many(self, captures: Sequence[Capture[Tensor]]) -> TimelineState:
        """Measure several updates, in one go where each has one value."""
        if any(len(capture.values) != 1 for capture in captures):
            return super().measure_many(captures)
        return TimelineState.of(*self.passes(captures))

    def passes(self, captures: Sequence[Capture[Tensor]]) -> list[Pass]:
        """Return what each update shows, of updates with one value each."""
        raise NotImplementedError

    def summarize(self, state: TimelineState) -> tuple[TimelineReading, ...]:
        """Copy the points to the host."""
        reduced = state.reduced()
        return (self.reading(reduced.points(reduced.rows.tolist(), reduced.maxima.tolist()), reduced.non_finite()),)


class LogitTimelineStats(UpdateTimeline):
    """What is not finite in the largest logit of each row: a class at -inf is masked, and no fault.

    Unit: nats.
    Input: the logits of one update, classes on axis 1, as in torch's losses.
    Memory: as `Timeline`. Cost: one maximum per update.
    Not visible: which sample or class.
    """

    kind: ClassVar = SiteKind.LOGITS
    reading: ClassVar = LogitTimelineReading

    def measure(self, capture: Capture[Tensor]) -> TimelineState:
        """Sum the largest logits of one update."""
        largest = [maximum(class_rows(value.detach().float()), (1,)) for value in capture.values]
        total = torch.stack([value.sum() for value in largest]).sum().reshape(1)
        return TimelineState.of(Pass(capture.update, total, sum(v.numel() for v in capture.values)))

    def passes(self, captures: Sequence[Capture[Tensor]]) -> list[Pass]:
        """Sum the largest logits of each update."""
        values = [capture.values[0].detach() for capture in captures]
        largest = maximum(torch.cat(list(map(class_rows, values))).float(), (1,)).reshape(len(captures), -1)
        totals = largest.sum(1, keepdim=True).unbind()
        return [Pass(c.update, total, v.numel()) for c, total, v in zip(captures, totals, values, strict=True)]

    def summarize(self, state: TimelineState) -> tuple[LogitTimelineReading, ...]:
        """Copy to the host what is not finite."""
        return (LogitTimelineReading((), state.reduced().non_finite()),)


class LossTimelineStats(UpdateTimeline):
    """The loss, averaged over the updates of an interval.

    Unit: that of the loss.
    Input: the loss values of one update, averaged.
    Memory: as `Timeline`. Cost: one mean per update.
    Not visible: differences between samples.
    """

    kind: ClassVar = SiteKind.LOSS
    reading: ClassVar = LossTimelineReading

    def measure(self, capture: Capture[Tensor]) -> TimelineState:
        """Average the loss calls of one update."""
        value = torch.stack([v.detach().float().mean() for v in capture.values]).mean().reshape(1)
        return TimelineState.of(Pass(capture.update, value, maxima=value))

    def passes(self, captures: Sequence[Capture[Tensor]]) -> list[Pass]:
        """Return the loss of each update."""
        losses = torch.stack([capture.values[0].detach() for capture in captures]).float()
        means = losses.reshape(len(captures), -1).mean(1, keepdim=True).unbind()
        return [Pass(capture.update, mean, maxima=mean) for capture, mean in zip(captures, means, strict=True)]


class OptimizerTimelineStats(UpdateTimeline):
    """The norm of all gradients of an optimizer together, the size of its updates and its learning rate.

    Unit: loss per unit of the parameters (L2 norm); the size of an update is relative to the norm of the parameters.
    Input: the gradients before an update, or their norms, and its learning rate; then, for the updates that are
    compared, what was added to the parameters, and the parameters before.
    Memory: as `Timeline`. Cost: one fused norm per update, and two where it is compared.
    Not visible: which parameter, and the size of the updates that are not compared.
    """

    kind: ClassVar = SiteKind.OPTIMIZER
    reading: ClassVar = OptimizerTimelineReading

    def measure(self, capture: Capture[Tensor]) -> TimelineState:
        """Compute the norm of the gradients, or the relative norm of the update."""
        if not capture.step_tensors:
            (rate,) = capture.learning_rates
            norm = norms(capture.values).norm().reshape(1)
            return TimelineState.of(Pass(capture.update, norm, maxima=norm, rate=rate))
        half = len(capture.step_tensors) // 2
        update, before = norms(capture.step_tensors[:half]).norm(), norms(capture.step_tensors[half:]).norm()
        size = zero_non_finite(update / before.where(before > 0, update))
        return TimelineState.of(Pass(capture.update, size.new_zeros(0), 0, 1, extra=size, passes=0))

    def passes(self, captures: Sequence[Capture[Tensor]]) -> list[Pass]:
        """Compute the norm of the gradients, or of their norms, before each update."""
        flat = torch.stack([capture.values[0].detach().float().reshape(-1) for capture in captures])
        norms_of_updates = torch.linalg.vector_norm(flat, dim=1, keepdim=True).unbind()
        return [
            Pass(capture.update, norm, maxima=norm, rate=capture.learning_rates[0])
            for capture, norm in zip(captures, norms_of_updates, strict=True)
        ]

    def summarize(self, state: TimelineState) -> tuple[OptimizerTimelineReading, ...]:
        """Copy the points to the host."""
        reduced = state.reduced()
        points = reduced.points(reduced.rows.tolist(), reduced.maxima.tolist())
        both = zip(points, reduced.intervals, strict=True)
        every = tuple(
            OptimizerPoint(
                point.update,
                point.last_update,
                point.passes,
                point.mean,
                point.maximum,
                update_size=point.silent,
                learning_rate=one.rate / one.rates if one.rates else None,
            )
            for point, one in both
        )
        return (OptimizerTimelineReading(every, reduced.non_finite()),)
