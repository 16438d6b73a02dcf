"""Batches in random order."""

from __future__ import annotations

import torch
from torch import Tensor

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class ShuffledData(Treatment):
    """Mix the samples of all batches, before the last ones are held out."""

    name = "shuffled data"
    named_by = ("SPK314", "SPK307")

    def apply(self, patient: Patient) -> Fix:
        """Change the batches: of sorted data, those that are held out hold classes that no other batch has."""
        subject = patient.subject
        batches = subject.batches
        y = [batch.labels for batch in batches]
        axis = sample_axis(batches[0].first, batches[0].samples)
        if len(batches) < 2 or axis is None or any(len(batch.inputs) != 1 for batch in batches):
            raise NotApplicableError("there are no samples of several batches to mix")
        labels = [one for one in y if isinstance(one, Tensor)]
        if len(labels) < len(batches) or len({len(one) for one in labels}) > 1:
            raise NotApplicableError("the batches have no labels, or differ in size")
        order = torch.randperm(sum(map(len, labels)), generator=torch.Generator().manual_seed(0))
        x, targets = torch.cat([batch.first for batch in batches], axis), torch.cat(labels)
        size = len(labels[0])
        mixed = [
            batch.with_inputs(x.index_select(axis, part)).with_targets(targets[part])
            for batch, part in zip(batches, torch.split(order, size), strict=True)
        ]
        subject.batches = tuple(mixed)
        return Fix("loader = torch.utils.data.DataLoader(dataset, batch_size=loader.batch_size, shuffle=True)")


def sample_axis(x: Tensor, samples: int) -> int | None:
    """Return the axis of the samples."""
    fitting = [axis for axis, size in enumerate(x.shape[:2]) if size == samples]
    return fitting[0] if fitting else None
