"""Input without NaN and infinity."""

from __future__ import annotations

import torch

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class FiniteInput(Treatment):
    """Put zeros in the place of values that are not finite."""

    name = "finite input"
    named_by = ("SPK405",)

    def apply(self, patient: Patient) -> Fix:
        """Change the batches."""
        if all(bool(torch.isfinite(batch.first).all()) for batch in patient.subject.batches):
            raise NotApplicableError("every value of the input is finite")
        patient.change_inputs(lambda x: torch.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0))
        return Fix("# before the model is called\nx = torch.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)")
