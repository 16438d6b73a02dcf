"""Replace one sample of a batch, and compare the outputs of all others."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError
from spikecheck.examination.forward_pass import changed_entries, fresh_output, sample_axes
from spikecheck.examination.linear import labels_follow
from spikecheck.examination.subject import Batch, Subject
from spikecheck.experiment_readings import ChangedSampleReading
from spikecheck.number_format import number


class ChangedSample(Experiment):
    """One sample of a batch is replaced by another one, in evaluation mode. All other outputs must stay."""

    name: ClassVar = "changed sample"
    needs: ClassVar = "targets, and at least two samples per batch"
    cost: ClassVar = "4 forward passes"
    proves: ClassVar = "a changed output of another sample proves that samples are mixed, as by swapped axes"
    cannot_tell: ClassVar = "where in the network they are mixed; what happens in training mode"

    def run(self, subject: Subject) -> list[Measurement]:
        """Compare the outputs before and after, for a sample in the first and one in the second half."""
        batch = subject.training[0]
        axis = sample_axis(subject, batch)
        before = fresh_output(subject, batch)
        worst: tuple[int, float] = (0, 0.0)
        for position in (batch.samples // 4, batch.samples - 1 - batch.samples // 4):
            after = fresh_output(subject, replaced(batch, axis, position))
            others, change = others_changed(before, after, position, batch.samples)
            worst = max(worst, (others, change))
        return [Measurement(ChangedSampleReading(batch.samples, *worst, uses_batch_statistics(subject.model)))]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return how many other samples changed."""
        reading: ChangedSampleReading = measurements[0].reading
        if not reading.changed_others:
            return f"the outputs of the other {reading.samples - 1} samples stay"
        return (
            f"the outputs of {reading.changed_others} of the other {reading.samples - 1} samples change, "
            f"by up to {number(100 * reading.largest_change)}% of the largest output"
        )


def sample_axis(subject: Subject, batch: Batch) -> int:
    """Return the axis of the input along which the samples lie.

    Where two axes are as long as the targets, it is the first one, unless the labels follow from the inputs along the
    second axis alone.
    """
    axes = sample_axes(batch)
    if len(axes) > 1 and not labels_follow(subject, axes[0]) and labels_follow(subject, axes[1]):
        return axes[1]
    return axes[0]


def replaced(batch: Batch, axis: int, position: int) -> Batch:
    """Return the batch with one sample replaced by its own values in reverse order of features, or ones."""
    changed = batch.first.clone()
    sample = changed.select(axis, position)
    other = sample.flip(tuple(range(sample.dim()))) if sample.dim() else sample + 1
    sample.copy_(other if not torch.equal(other, sample) else torch.ones_like(sample) - sample)
    return batch.with_first(changed)


def others_changed(before: Tensor, after: Tensor, position: int, samples: int) -> tuple[int, float]:
    """Return how many samples beside the replaced one have other outputs, along the axis where that is fewest."""
    axes = [axis for axis, size in enumerate(before.shape[:2]) if size == samples]
    if not axes:
        raise NotApplicableError(f"no axis of the output {list(before.shape)} has {samples} samples")
    counts = []
    for axis in axes:
        changed, change = changed_entries(before, after, axis)
        others = [entry for entry in changed if entry != position]
        counts.append((len(others), change if others else 0.0))
    return min(counts)


def uses_batch_statistics(model: nn.Module) -> bool:
    """Return whether a normalization computes with the statistics of the batch in evaluation mode too."""
    return any(
        getattr(module, "running_mean", 0) is None and "Batch" in type(module).__name__
        for _, module in model.named_modules()
    )
