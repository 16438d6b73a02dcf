"""Input of zeros and ones."""

from __future__ import annotations

import torch

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, is_binary
from spikecheck.finding import Fix


class BinaryInput(Treatment):
    """Make a spike of every input that is not 0."""

    name = "binary input"
    named_by = ("SPK101", "SPK206", "SPK107", "SPK201", "SPK303", "SPK301")

    def apply(self, patient: Patient) -> Fix:
        """Change the batches."""
        if is_binary(patient.batch.first):
            raise NotApplicableError("the input holds zeros and ones alone")
        patient.change_inputs(lambda x: (x != 0).to(x.dtype if x.is_floating_point() else torch.float32))
        return Fix("# before the model is called\nx = (x != 0).float()")
