"""Equal labels within a batch."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import BatchReading
from spikecheck.site import Capture, LossCall, SiteKind
from spikecheck.stats.base import State, Statistic, merged_by
from spikecheck.stats.losses import class_counts, not_ignored


@dataclass(frozen=True)
class BatchState(State):
    """Sums over batches."""

    batches: Tensor = merged_by(torch.add)
    samples: Tensor = merged_by(torch.add)
    single_class: Tensor = merged_by(torch.add)
    same_class_pairs: Tensor = merged_by(
        torch.add
    )  # per batch: share of its pairs with equal labels, times its samples
    known: bool = merged_by(operator.and_)


class BatchStats(Statistic[BatchState]):
    """How often two labels in one batch are equal: detects data sorted by class.

    Unit: share of pairs.
    Input: labels [sample] of one batch.
    Memory: four numbers. Cost: one scatter-add per batch.
    Not visible: which class.
    """

    kind: ClassVar = SiteKind.LABELS
    reading: ClassVar = BatchReading

    def measure(self, capture: Capture[Tensor]) -> BatchState:
        """Measure the labels of one batch."""
        y, call = capture.values[0].detach().long(), capture.loss_call or LossCall("unknown")
        classes = call.classes or 0
        counts = class_counts(y, classes, not_ignored(y, call) & (y >= 0) & (y < classes)).double()
        samples = counts.sum()
        several = (samples > 1).double()
        return BatchState(
            batches=several,
            samples=several * samples,
            single_class=several * (counts == samples).any(),
            same_class_pairs=several * (counts * (counts - 1)).sum() / (samples - 1).clamp(min=1),
            known=len(counts) > 0,
        )

    def summarize(self, state: BatchState) -> tuple[BatchReading, ...]:
        """Copy the sums to the host."""
        samples = int(state.samples)
        same_class_pairs = state.same_class_pairs.item() / samples if samples and state.known else None
        return (BatchReading(int(state.batches), samples, int(state.single_class), same_class_pairs),)
