"""Gradients of one batch alone."""

from __future__ import annotations

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class ZeroedGradients(Treatment):
    """Set the gradients to zero before each training step."""

    name = "gradients zeroed before each step"
    named_by = ("SPK413",)
    needs_step = True

    def apply(self, patient: Patient) -> Fix:
        """Zero them."""
        if patient.subject.step is None:
            raise NotApplicableError("a plain loop zeroes them already")
        patient.before_update.append(patient.subject.optimizer.zero_grad)
        return Fix("# before loss.backward()\noptimizer.zero_grad()")
