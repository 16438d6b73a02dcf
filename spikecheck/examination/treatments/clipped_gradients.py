"""Clipped gradients."""

from __future__ import annotations

from torch import nn

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment
from spikecheck.finding import Fix


class ClippedGradients(Treatment):
    """Clip the norm of all gradients to 1 before each update."""

    name = "clipped gradients"
    named_by = ("SPK403", "SPK405", "SPK407")
    role = Role.SYMPTOM

    def apply(self, patient: Patient) -> Fix:
        """Clip them whenever the optimizer steps."""
        optimizer = patient.subject.optimizer
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        if not parameters:
            raise NotApplicableError("the optimizer has no parameters")
        optimizer.register_step_pre_hook(lambda *args: clip(parameters))
        return Fix("# after loss.backward()\ntorch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)")


def clip(parameters: list[nn.Parameter]) -> None:
    """Clip the norm of the gradients."""
    nn.utils.clip_grad_norm_(parameters, 1.0)
