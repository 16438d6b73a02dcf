"""Rare classes that weigh more."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from spikecheck.examination.subject import class_scores
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.examination.treatments.logits_loss import scores
from spikecheck.finding import Fix


class ClassWeights(Treatment):
    """Weigh each class in the loss by how rare it is."""

    name = "class weights"
    named_by = ("SPK308",)
    early_stop = False

    def apply(self, patient: Patient) -> Fix:
        """Change the loss."""
        patient.require_own_loss()
        shown = class_scores(patient.output(), patient.batch.labels)
        labels = [batch.labels for batch in patient.subject.training if batch.labels is not None]
        if shown is None or not labels:
            raise NotApplicableError("the targets are no classes")
        counts = torch.bincount(torch.cat(labels), minlength=shown.shape[1]).float()
        weights = len(counts) / counts.clamp(min=1) / (1 / counts.clamp(min=1)).sum()
        patient.subject.loss_fn = lambda out, y: F.cross_entropy(scores(out, y), y, weight=weights)
        return Fix(
            "# counts: the samples of each class in the training set\nweights = 1 / counts.clamp(min=1)\n"
            "weights = weights * len(weights) / weights.sum()\n"
            "loss = torch.nn.functional.cross_entropy(output, y, weight=weights)"
        )
