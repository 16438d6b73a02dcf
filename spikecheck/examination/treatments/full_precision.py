"""32-bit floating point throughout."""

from __future__ import annotations

import torch

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class FullPrecision(Treatment):
    """Compute in 32-bit floating point."""

    name = "32-bit floating point"
    named_by = ("SPK608", "SPK405", "SPK001")

    def apply(self, patient: Patient) -> Fix:
        """Change the model and the input."""
        model, x = patient.subject.model, patient.batch.first
        small = (torch.float16, torch.bfloat16)
        if x.dtype not in small and not any(p.dtype in small for _, p in model.named_parameters()):
            raise NotApplicableError("model and input are in 32 bits")
        model.float()
        patient.change_inputs(lambda x: x.float() if x.is_floating_point() else x)
        return Fix("model.float()\n# before the model is called\nx = x.float()")
