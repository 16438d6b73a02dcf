"""The logarithm of counts."""

from __future__ import annotations

import torch

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment, is_binary
from spikecheck.finding import Fix


class LogInput(Treatment):
    """Take log(1 + x) of an input of counts, which stay counts."""

    name = "logarithm of the input"
    named_by = ("SPK101",)
    role = Role.SYMPTOM

    def apply(self, patient: Patient) -> Fix:
        """Change the batches."""
        x = patient.batch.first
        if is_binary(x) or bool((x < 0).any()):
            raise NotApplicableError("the input holds no counts")
        patient.change_inputs(lambda x: torch.log1p(x.float()))
        return Fix("# before the model is called\nx = torch.log1p(x.float())")
