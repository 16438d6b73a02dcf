"""Losses, the logits they were computed from, and the targets they were compared with."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import BatchReading, LogitReading, LossReading, TargetReading
from spikecheck.site import Capture, LossCall, SiteKind
from spikecheck.stats.arrange import (
    BadState,
    distinct,
    fingerprint,
    highest,
    join_distinct,
    join_repeats,
    lowest,
    repeats,
    told,
)
from spikecheck.stats.base import State, Statistic, earliest, merged

TRACE = 128  # losses kept of the whole run: more than a picture of it shows
WINDOW = 64  # losses remembered: enough for the slope of a noisy loss, few enough to be recent
SUMS_TO_ONE = 1e-3  # float16 probabilities of 20 classes sum to 1 within this
COUNTED_CLASSES = 4096  # a count a class is kept up to here: 32 KB
ONE_HOT = 0.999  # softmax beyond which the gradient of a row is 0 or 1 to three digits


@dataclass(frozen=True)
class TraceState(State):
    """Losses of the whole run in fixed memory: of each update, then of each second, fourth, ... by its number.

    Which of them stay depends on their numbers alone, so that it makes no difference in which order states are added.
    """

    values: Tensor = merged(earliest)
    updates: tuple[int, ...] = merged(earliest)
    stride: int = merged(max)

    def __add__(self, other: TraceState) -> TraceState:
        """Both, thinned out; of two losses of one update the earlier."""
        stride = max(self.stride, other.stride)
        every = (*self.updates, *other.updates)
        places: dict[int, int] = {}
        for place, update in enumerate(every):
            if update % stride == 0:
                places.setdefault(update, place)
        while len(places) > TRACE:
            stride *= 2
            places = {update: place for update, place in places.items() if update % stride == 0}
        kept = tuple(places.values())
        if kept == tuple(range(len(self.updates))):
            return TraceState(self.values, self.updates, stride)
        values = torch.cat([self.values, other.values])
        if len(kept) < len(every):  # by views: an index would have to be copied to the device
            values = torch.stack([values[place] for place in kept])
        return TraceState(values, tuple(places), stride)


def last_of(a: Tensor, b: Tensor) -> Tensor:
    """Rule of a field that remembers the last WINDOW entries."""
    return torch.cat([a, b])[-WINDOW:]


@dataclass(frozen=True)
class LossState(State):
    """The first loss, the last WINDOW of them, the lowest."""

    first: Tensor = merged(earliest)
    recent: Tensor = merged(last_of)
    lowest: Tensor = merged(torch.minimum)
    bad: BadState = merged(operator.add)
    updates: int = merged(operator.add)
    function: str = merged(earliest)
    classes: int | None = merged(earliest)
    plain: bool = merged(operator.and_)
    trace: TraceState = merged(operator.add)


class LossStats(Statistic[LossState]):
    """One loss function's values, one number an update.

    Unit: that of the loss (nats for cross-entropy). Layout: scalars, averaged over the calls for one update. Hides:
    which sample is hard.
    """

    kind: ClassVar = SiteKind.LOSS
    reading: ClassVar = LossReading
    ordered: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> LossState:
        """Average the calls for one update."""
        value = torch.stack([v.detach().float().mean() for v in capture.values]).mean().reshape(1)
        call = capture.loss_call or LossCall("unknown", plain_mean=False)
        return LossState(
            first=value,
            recent=value,
            lowest=value,
            bad=BadState.of(value, capture.update),
            updates=1,
            function=call.function,
            classes=call.classes,
            plain=call.plain_mean,
            trace=TraceState(value, (capture.update,), 1),
        )

    def summarize(self, state: LossState) -> tuple[LossReading, ...]:
        """Copy the losses to the host, and lay a straight line through the recent ones."""
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
                non_finite=state.bad.reading(timed=False),
                trace=tuple(zip(state.trace.updates, state.trace.values.tolist(), strict=True)),
            ),
        )


@dataclass(frozen=True)
class LogitState(State):
    """Counts of rows, and extremes."""

    minimum: Tensor = merged(torch.minimum)
    maximum: Tensor = merged(torch.maximum)
    spread: Tensor = merged(torch.add)
    tied: Tensor = merged(torch.add)
    simplex: Tensor = merged(torch.add)
    one_hot: Tensor = merged(torch.add)
    predicted: Tensor = merged(torch.add)  # rows a class
    bad: BadState = merged(operator.add)
    updates: int = merged(operator.add)
    rows: int = merged(operator.add)
    classes: int = merged(earliest)


def counted(classes: Tensor, among: int, which: Tensor) -> Tensor:
    """How often each class comes, of those marked in `which`; nothing where there are too many classes."""
    counts = torch.zeros(among if among <= COUNTED_CLASSES else 0, dtype=torch.int64, device=classes.device)
    return counts.scatter_add_(0, classes.clamp(0, among - 1), which.long()) if len(counts) else counts


def heeded(targets: Tensor, call: LossCall) -> Tensor:
    """Which of the targets the loss does not pass over."""
    return torch.ones_like(targets, dtype=torch.bool) if call.ignored_label is None else targets != call.ignored_label


def by_row(logits: Tensor) -> Tensor:
    """Logits as [row, class]; torch's losses take the classes on axis 1, or on axis 0 where there is no batch."""
    axis = min(1, logits.dim() - 1)
    return logits.movedim(axis, -1).reshape(-1, logits.shape[axis])


class LogitStats(Statistic[LogitState]):
    """What a loss over classes was computed from.

    Unit: nats. Layout: classes on axis 1, as torch's losses want them. Hides: which class.
    """

    kind: ClassVar = SiteKind.LOGITS
    reading: ClassVar = LogitReading

    def measure(self, capture: Capture[Tensor]) -> LogitState:
        """Count the rows of one update."""
        rows = torch.cat([by_row(value.detach().float()) for value in capture.values])
        high, low = highest(rows, (1,)), -highest(-rows, (1,))
        return LogitState(
            minimum=lowest(low),
            maximum=highest(high),
            spread=(high - low).sum(dtype=torch.float64),
            tied=(high == low).sum(),
            simplex=((low >= 0) & ((rows.sum(1) - 1).abs() < SUMS_TO_ONE)).sum(),
            one_hot=(highest(rows.softmax(1), (1,)) > ONE_HOT).sum(),
            predicted=counted(rows.argmax(1), rows.shape[1], (high != low) & torch.isfinite(rows.sum(1))),
            bad=BadState.of(rows.sum(1), capture.update),
            updates=1,
            rows=len(rows),
            classes=rows.shape[1],
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
                minimum=told(state.minimum, state.rows),
                maximum=told(state.maximum, state.rows),
                spread=state.spread.item() / max(1, state.rows),
                tied_rows=int(state.tied),
                simplex_rows=int(state.simplex),
                one_hot_rows=int(state.one_hot),
                non_finite=state.bad.reading(timed=False),
                decided_rows=sum(predicted),
                top_class_rows=top_class_rows,
                top_class=None if top_class_rows is None else predicted.index(top_class_rows),
            ),
        )


@dataclass(frozen=True)
class TargetState(State):
    """Extremes of the class indices, and how often each came."""

    lowest: Tensor = merged(torch.minimum)
    highest: Tensor = merged(torch.maximum)
    kept: Tensor = merged(torch.add)
    inside: Tensor = merged(torch.add)
    counts: Tensor = merged(torch.add)
    updates: int = merged(operator.add)
    samples: int = merged(operator.add)
    classes: int | None = merged(earliest)
    weighted: bool = merged(operator.or_)
    batches: Tensor = merged(join_distinct)
    repeats: Tensor = merged(join_repeats)
    calls: int = merged(operator.add)


class TargetStats(Statistic[TargetState]):
    """Class indices.

    Unit: none. Layout: any. Hides: which sample has which.
    """

    kind: ClassVar = SiteKind.TARGETS
    reading: ClassVar = TargetReading
    ordered: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> TargetState:
        """Count one update's targets."""
        y = torch.cat([v.detach().reshape(-1) for v in capture.values]).long()
        call = capture.loss_call or LossCall("unknown")
        kept = heeded(y, call)
        inside = kept if call.classes is None else kept & (y >= 0) & (y < call.classes)
        none = torch.iinfo(torch.int64)
        some = [y.new_full((1,), none.max), y.new_full((1,), none.min)]
        return TargetState(
            lowest=torch.cat([y.where(kept, some[0]), some[0]]).amin(),
            highest=torch.cat([y.where(kept, some[1]), some[1]]).amax(),
            kept=kept.sum(),
            inside=inside.sum(),
            counts=counted(y, call.classes or 0, inside),
            updates=1,
            samples=y.numel(),
            classes=call.classes,
            weighted=call.has_class_weights,
            batches=distinct(mark := fingerprint(y)),
            repeats=repeats(mark),
            calls=len(capture.values),
        )

    def summarize(self, state: TargetState) -> tuple[TargetReading, ...]:
        """Copy the counts to the host."""
        kept = int(state.kept)
        return (
            TargetReading(
                updates=state.updates,
                samples=kept,
                minimum=int(state.lowest) if kept else 0,
                maximum=int(state.highest) if kept else 0,
                ignored_samples=state.samples - kept,
                out_of_range=kept - int(state.inside),
                classes=state.classes,
                class_counts=tuple(state.counts.tolist()),
                has_class_weights=state.weighted,
                distinct_batches=int(state.batches.isfinite().sum()),
                repeated_batches=int(state.repeats[2]),
                loss_calls=state.calls,
            ),
        )


@dataclass(frozen=True)
class BatchState(State):
    """Sums over batches."""

    batches: Tensor = merged(torch.add)
    samples: Tensor = merged(torch.add)
    pure: Tensor = merged(torch.add)
    alike: Tensor = merged(torch.add)  # pairs of one label, as a share of a batch's pairs, times its samples
    known: bool = merged(operator.and_)


class BatchStats(Statistic[BatchState]):
    """How the labels of single batches lie together.

    Unit: none. Layout: [sample], one batch. Hides: which label.
    """

    kind: ClassVar = SiteKind.LABELS
    reading: ClassVar = BatchReading

    def measure(self, capture: Capture[Tensor]) -> BatchState:
        """Count one batch's labels."""
        y, call = capture.values[0].detach().long(), capture.loss_call or LossCall("unknown")
        classes = call.classes or 0
        counts = counted(y, classes, heeded(y, call) & (y >= 0) & (y < classes)).double()
        samples = counts.sum()
        several = (samples > 1).double()
        return BatchState(
            batches=several,
            samples=several * samples,
            pure=several * (counts == samples).any(),
            alike=several * (counts * (counts - 1)).sum() / (samples - 1).clamp(min=1),
            known=len(counts) > 0,
        )

    def summarize(self, state: BatchState) -> tuple[BatchReading, ...]:
        """Copy the sums to the host."""
        samples = int(state.samples)
        alike = state.alike.item() / samples if samples and state.known else None
        return (BatchReading(int(state.batches), samples, int(state.pure), alike),)
