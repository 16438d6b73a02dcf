"""The logits that losses are computed from, and their targets."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import LogitReading, TargetReading
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

SUMS_TO_ONE = 1e-3  # float16 probabilities of 20 classes sum to 1 within this
MAX_CLASSES = 4096  # counts per class are kept up to this number of classes: 32 KB
ONE_HOT = 0.999  # above this softmax the gradient of a row is 0 or 1 to three digits


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
