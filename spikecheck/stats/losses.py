"""Losses, the logits they are computed from, and their targets."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from spikecheck.readings import LogitReading, LossReading, TargetReading
from spikecheck.site import Capture, LossCall, SiteKind
from spikecheck.stats.base import State, Statistic, keep_first, merged_by
from spikecheck.stats.layout import (
    NonFiniteState,
    fingerprint,
    maximum,
    merge_distinct,
    merge_repeats,
    minimum,
    repeats,
    smallest_distinct,
    to_float,
)

T = TypeVar("T")

TRACE = 128  # losses kept of the whole run: more than a plot can show
LATEST = 8  # losses that show whether a jump is over
WINDOW = 64  # recent losses: enough for the slope of a noisy loss, few enough to be recent
SUMS_TO_ONE = 1e-3  # float16 probabilities of 20 classes sum to 1 within this
MAX_CLASSES = 4096  # counts per class are kept up to this number of classes: 32 KB
ONE_HOT = 0.999  # above this softmax the gradient of a row is 0 or 1 to three digits


@dataclass(frozen=True)
class TraceState(State):
    """Losses of the whole run in fixed memory: of every update, later of every 2nd, 4th, ... update.

    Which losses are kept depends only on the numbers of their updates, so the order of adding states does not matter.
    """

    values: Tensor = merged_by(keep_first)
    updates: tuple[int, ...] = merged_by(keep_first)
    stride: int = merged_by(max)

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
        call = capture.loss_call or LossCall("unknown", plain_mean=False)
        return LossState(
            first=value,
            recent=value,
            lowest=value,
            bad=NonFiniteState.of_steps(value, capture.update),
            updates=1,
            function=call.function,
            classes=call.classes,
            plain=call.plain_mean,
            trace=TraceState(value, (capture.update,), 1),
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


@dataclass(frozen=True)
class LogitState(State):
    """Counts of rows, and extremes."""

    minimum: Tensor = merged_by(torch.minimum)
    maximum: Tensor = merged_by(torch.maximum)
    spread: Tensor = merged_by(torch.add)
    tied: Tensor = merged_by(torch.add)
    simplex: Tensor = merged_by(torch.add)
    one_hot: Tensor = merged_by(torch.add)
    predicted: Tensor = merged_by(torch.add)  # rows per class
    bad: NonFiniteState = merged_by(operator.add)
    updates: int = merged_by(operator.add)
    rows: int = merged_by(operator.add)
    classes: int = merged_by(keep_first)
    normalized: Tensor = merged_by(torch.add)


def class_counts(classes: Tensor, among: int, which: Tensor) -> Tensor:
    """Count each class among the entries marked in `which`; empty for more than MAX_CLASSES classes."""
    counts = torch.zeros(among if among <= MAX_CLASSES else 0, dtype=torch.int64, device=classes.device)
    return counts.scatter_add_(0, classes.clamp(0, among - 1), which.long()) if len(counts) else counts


def not_ignored(targets: Tensor, call: LossCall) -> Tensor:
    """Mark the targets that are not the ignored label of the loss."""
    return torch.ones_like(targets, dtype=torch.bool) if call.ignored_label is None else targets != call.ignored_label


def have_equal_sums(logits: Tensor) -> Tensor:
    """Return, for each batch [batch, row, ...], whether all classes have the same sum over its rows.

    These are sums of probabilities or of their logarithms.
    """
    if logits.dim() < 3 or not logits.numel() or logits.shape[1] < 2:
        return logits.new_zeros(len(logits), dtype=torch.bool)
    flat = logits.flatten(2)
    low, high = flat.amin((1, 2)), flat.amax((1, 2))
    shares = flat.exp().where(((low < 0) & (high <= 0)).reshape(-1, 1, 1), flat)
    sums = shares.sum(1)
    lowest, highest = sums.amin(1), sums.amax(1)
    equal = (lowest > 0) & (highest - lowest < SUMS_TO_ONE * highest)
    return (shares.amin((1, 2)) >= 0) & equal & (low < high)


def class_rows(logits: Tensor) -> Tensor:
    """Return logits as [row, class]; classes are on axis 1, or on axis 0 without a batch."""
    axis = min(1, logits.dim() - 1)
    return logits.movedim(axis, -1).reshape(-1, logits.shape[axis])


class LogitStats(Statistic[LogitState]):
    """Logits of a classification loss: range, spread per row, one-hot, tied and normalized rows, predicted classes.

    Unit: nats.
    Input: the logits of one update, classes on axis 1, as in torch's losses. A class at -inf is masked and left out; a
    row is not finite where it holds NaN or +inf, or every class is masked.
    Memory: one count per class, at most MAX_CLASSES. Cost: one softmax and four reductions per update.
    Not visible: which sample has which logits.
    """

    kind: ClassVar = SiteKind.LOGITS
    reading: ClassVar = LogitReading
    tier: ClassVar = 1  # beside the targets, of the same updates

    def measure(self, capture: Capture[Tensor]) -> LogitState:
        """Measure the rows of one update."""
        values = [value.detach().float() for value in capture.values]
        normalized = torch.stack([have_equal_sums(value.unsqueeze(0)) for value in values]).all()
        state = self.measure_rows(torch.cat([class_rows(value) for value in values]), [capture.update])
        return replace(state, normalized=normalized.int())

    def measure_many(self, captures: Sequence[Capture[Tensor]]) -> LogitState:
        """Measure several updates with one call of the loss each in one go."""
        if any(len(capture.values) != 1 for capture in captures):
            return super().measure_many(captures)
        values = [capture.values[0].detach().float() for capture in captures]
        normalized = have_equal_sums(torch.stack(values)).sum()
        rows = torch.cat([class_rows(value) for value in values])
        return replace(self.measure_rows(rows, [capture.update for capture in captures]), normalized=normalized.int())

    def measure_rows(self, rows: Tensor, updates: Sequence[int]) -> LogitState:
        """Measure rows, as many of each update."""
        high = maximum(rows, (1,))
        low = -maximum(-rows.where(rows != -torch.inf, high.unsqueeze(1)), (1,))  # -inf is a masked class
        return LogitState(
            minimum=minimum(low),
            maximum=maximum(high),
            spread=(high - low).sum(dtype=torch.float64),
            tied=(high == low).sum(),
            simplex=((low >= 0) & ((rows.sum(1) - 1).abs() < SUMS_TO_ONE)).sum(),
            one_hot=(maximum(rows.softmax(1), (1,)) > ONE_HOT).sum(),
            predicted=class_counts(rows.argmax(1), rows.shape[1], (high != low) & torch.isfinite(high)),
            bad=NonFiniteState.of_updates(high.reshape(len(updates), len(high) // len(updates)), updates),
            updates=len(updates),
            rows=len(rows),
            classes=rows.shape[1],
            normalized=rows.new_zeros((), dtype=torch.int32),
        )

    def summarize(self, state: LogitState) -> tuple[LogitReading, ...]:
        """Copy the counts to the host."""
        predicted = state.predicted.tolist()
        top_class_rows = max(predicted, default=None)
        return (
            LogitReading(
                updates=state.updates,
                rows=state.rows,
                classes=state.classes,
                minimum=to_float(state.minimum, state.rows),
                maximum=to_float(state.maximum, state.rows),
                spread=state.spread.item() / max(1, state.rows),
                tied_rows=int(state.tied),
                simplex_rows=int(state.simplex),
                one_hot_rows=int(state.one_hot),
                non_finite=state.bad.reading(time_axis_known=False),
                decided_rows=sum(predicted),
                top_class_rows=top_class_rows,
                normalized_batches=int(state.normalized),
                top_class=None if top_class_rows is None else predicted.index(top_class_rows),
            ),
        )


@dataclass(frozen=True)
class TargetState(State):
    """Extremes and frequencies of the class indices."""

    lowest: Tensor = merged_by(torch.minimum)
    highest: Tensor = merged_by(torch.maximum)
    counted: Tensor = merged_by(torch.add)
    valid: Tensor = merged_by(torch.add)
    counts: Tensor = merged_by(torch.add)
    updates: int = merged_by(operator.add)
    classes: int | None = merged_by(keep_first)
    weighted: bool = merged_by(operator.or_)
    batches: Tensor = merged_by(merge_distinct)
    repeats: Tensor = merged_by(merge_repeats)
    calls: int = merged_by(operator.add)


class TargetStats(Statistic[TargetState]):
    """Class indices of a loss: range, frequency of each class, out-of-range and repeated targets.

    Unit: class index.
    Input: the targets of one update, of any shape.
    Memory: one count per class, at most MAX_CLASSES, and 16 fingerprints. Cost: one scatter-add per update.
    Not visible: which sample has which class.
    """

    kind: ClassVar = SiteKind.TARGETS
    reading: ClassVar = TargetReading
    tier: ClassVar = 1  # a batch is compared with the one before
    order_matters: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> TargetState:
        """Measure the targets of one update."""
        y = torch.cat([v.detach().reshape(-1) for v in capture.values]).long()
        return replace(self.measure_labels(y.unsqueeze(0), capture), calls=len(capture.values))

    def measure_many(self, captures: Sequence[Capture[Tensor]]) -> TargetState:
        """Measure several updates with one call of the loss each in one go."""
        if any(len(capture.values) != 1 for capture in captures):
            return super().measure_many(captures)
        return self.measure_labels(
            torch.stack([c.values[0].detach().reshape(-1).long() for c in captures]), captures[0]
        )

    def measure_labels(self, labels: Tensor, capture: Capture[Tensor]) -> TargetState:
        """Measure labels [update, sample]."""
        y = labels.flatten()
        call = capture.loss_call or LossCall("unknown")
        not_ignored_mask = not_ignored(y, call)
        valid = not_ignored_mask if call.classes is None else not_ignored_mask & (y >= 0) & (y < call.classes)
        limits = torch.iinfo(torch.int64)
        padding = [y.new_full((1,), limits.max), y.new_full((1,), limits.min)]
        return TargetState(
            lowest=torch.cat([y.where(not_ignored_mask, padding[0]), padding[0]]).amin(),
            highest=torch.cat([y.where(not_ignored_mask, padding[1]), padding[1]]).amax(),
            counted=not_ignored_mask.sum(),
            valid=valid.sum(),
            counts=class_counts(y, call.classes or 0, valid),
            updates=len(labels),
            classes=call.classes,
            weighted=call.has_class_weights,
            batches=smallest_distinct(batch := fingerprint(labels)),
            repeats=repeats(batch),
            calls=len(labels),
        )

    def summarize(self, state: TargetState) -> tuple[TargetReading, ...]:
        """Copy the counts to the host."""
        counted = int(state.counted)
        return (
            TargetReading(
                updates=state.updates,
                samples=counted,
                minimum=int(state.lowest) if counted else 0,
                maximum=int(state.highest) if counted else 0,
                out_of_range=counted - int(state.valid),
                classes=state.classes,
                class_counts=tuple(state.counts.tolist()),
                has_class_weights=state.weighted,
                distinct_batches=int(state.batches.isfinite().sum()),
                repeated_batches=int(state.repeats[2]),
                loss_calls=state.calls,
            ),
        )
