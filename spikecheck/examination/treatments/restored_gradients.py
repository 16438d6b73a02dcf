"""Gradients as the backward pass left them."""

from __future__ import annotations

from torch import Tensor, nn

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix

LARGEST_NORM = 1.0  # judgment call: the usual limit of gradient clipping


class RestoredGradients(Treatment):
    """Update with the gradients that the backward pass left, clipped to a norm of 1 and not changed otherwise."""

    name = "gradients of the backward pass, clipped to 1"
    named_by = ("SPK418", "SPK409", "SPK410")
    needs_step = True

    def apply(self, patient: Patient) -> Fix:
        """Note each gradient when it is computed, and put it back when the optimizer steps."""
        if patient.subject.step is None:
            raise NotApplicableError("a plain loop leaves the gradients alone")
        optimizer = patient.subject.optimizer
        parameters = [one for group in optimizer.param_groups for one in group["params"] if one.requires_grad]
        computed: dict[Tensor, Tensor] = {}

        def note(parameter: Tensor) -> None:
            if parameter.grad is not None:
                computed[parameter] = parameter.grad.detach().clone()

        def restore(*args: object) -> None:
            for parameter, gradient in computed.items():
                if parameter.grad is not None:
                    parameter.grad.copy_(gradient)
            nn.utils.clip_grad_norm_(parameters, LARGEST_NORM)

        for parameter in parameters:
            parameter.register_post_accumulate_grad_hook(note)
        optimizer.register_step_pre_hook(restore)
        return Fix(
            "# between loss.backward() and optimizer.step(), in place of what makes the gradients small\n"
            f"torch.nn.utils.clip_grad_norm_(model.parameters(), {LARGEST_NORM})"
        )
