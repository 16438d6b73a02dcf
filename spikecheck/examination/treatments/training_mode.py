"""Training mode in each step."""

from __future__ import annotations

import torch

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class TrainingMode(Treatment):
    """Call the model in training mode in each training step."""

    name = "training mode"
    named_by = ("SPK214",)
    needs_step = True

    def apply(self, patient: Patient) -> Fix:
        """Ignore a switch to evaluation mode inside the step."""
        model = patient.subject.model
        if patient.subject.step is None:
            raise NotApplicableError("a plain loop trains in training mode already")
        for _, module in model.named_modules():
            module.register_forward_pre_hook(lambda module, args: put_in_mode(module))
        return Fix("# before each epoch, and after each evaluation\nmodel.train()")


def put_in_mode(module: object) -> None:
    """Put a module in training mode where gradients are recorded."""

    if torch.is_grad_enabled():
        module.training = True  # type: ignore[attr-defined]
