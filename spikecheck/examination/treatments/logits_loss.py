"""Cross-entropy of the logits."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from spikecheck.assertions.watched import tensors_of
from spikecheck.examination.subject import class_scores
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix

SUM_IS_1 = 1e-3
LEAST_PROBABILITY = 1e-8


class LogitsLoss(Treatment):
    """Compute cross-entropy of logits; of an output that is a softmax already, take its logarithm only."""

    name = "one softmax, in the loss"
    named_by = ("SPK305", "SPK315", "SPK318", "SPK311", "SPK317", "SPK316", "SPK321", "SPK303", "SPK319", "SPK405")
    early_stop = False

    def apply(self, patient: Patient) -> Fix:
        """Change the loss."""
        patient.require_own_loss()
        output, labels = patient.output(), patient.batch.labels
        if labels is None or class_scores(output, labels) is None:
            raise NotApplicableError("the targets are no classes, or the output has no score for each of them")
        shown = next(t for t in tensors_of(output) if t.is_floating_point())
        if is_softmax(shown):
            patient.subject.loss_fn = lambda out, y: F.nll_loss(scores(out, y).clamp(min=LEAST_PROBABILITY).log(), y)
            return Fix(
                "# return the logits without a softmax; or, of the probabilities:\n"
                "loss = torch.nn.functional.nll_loss(torch.log(output.clamp(min=1e-8)), y)"
            )
        patient.subject.loss_fn = lambda out, y: F.cross_entropy(scores(out, y), y)
        return Fix("loss = torch.nn.functional.cross_entropy(output, y)")


def is_softmax(output: Tensor) -> bool:
    """Return whether rows are probabilities."""
    total = output.sum(-1)
    return bool((output >= 0).all()) and bool((total - 1).abs().max() < SUM_IS_1)


def scores(output: Any, y: Tensor) -> Tensor:
    """Return a score for each sample and class; the mean over time where there is a time axis."""
    shown = next(t for t in tensors_of(output) if t.is_floating_point()).float()
    return shown if shown.dim() == 2 else shown.mean(0 if shown.shape[1] == len(y) else 1)
