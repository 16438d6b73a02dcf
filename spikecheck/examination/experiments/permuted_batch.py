"""Put the samples of a batch in another order, and compare each sample's output."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError
from spikecheck.examination.experiments.changed_sample import sample_axis
from spikecheck.examination.forward_pass import changed_entries, fresh_output
from spikecheck.examination.subject import SEED, Subject
from spikecheck.experiment_readings import PermutedBatchReading


class PermutedBatch(Experiment):
    """The samples of a batch are put in reverse order, in evaluation mode. Each must keep its output."""

    name: ClassVar = "permuted batch"
    needs: ClassVar = "targets, at least two samples per batch, and a network that draws no random numbers"
    cost: ClassVar = "3 forward passes"
    proves: ClassVar = "another output proves that it depends on the position in the batch"
    cannot_tell: ClassVar = "where in the network that happens"

    def run(self, subject: Subject) -> list[Measurement]:
        """Compare the output of each sample at both positions."""
        batch = subject.training[0]
        axis = sample_axis(subject, batch)
        order = torch.arange(batch.samples - 1, -1, -1, device=batch.first.device)
        turned = [part.index_select(axis, order) if is_like(part, batch.first) else part for part in batch.inputs]
        before = fresh_output(subject, batch)
        if not torch.equal(before, fresh_output(subject, batch, SEED + 1)):
            raise NotApplicableError("the network draws random numbers, which belong to positions in the batch")
        after = fresh_output(subject, batch.with_inputs(*turned).with_targets(batch.targets.flip(0)))
        axes = [axis for axis, size in enumerate(before.shape[:2]) if size == batch.samples]
        if not axes:
            raise NotApplicableError(f"no axis of the output {list(before.shape)} has {batch.samples} samples")
        changes = [changed_entries(before, after.flip(axis), axis) for axis in axes]
        changed, largest = min(changes, key=lambda one: len(one[0]))
        return [Measurement(PermutedBatchReading(batch.samples, len(changed), largest))]

    def summarize(self, measurements: list[Measurement]) -> str:
        """Return how many samples have another output."""
        reading: PermutedBatchReading = measurements[0].reading
        if not reading.changed_samples:
            return "each sample keeps its output at another position in the batch"
        return f"{reading.changed_samples} of {reading.samples} samples have another output at another position"


def is_like(part: Any, first: Tensor) -> bool:
    """Return whether a part of a batch has the samples of the first tensor along the same axis."""
    return isinstance(part, Tensor) and part.shape == first.shape
