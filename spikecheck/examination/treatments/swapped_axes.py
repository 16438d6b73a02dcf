"""Time and batch axes in the other order."""

from __future__ import annotations

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class SwappedAxes(Treatment):
    """Swap the first two axes of the input, and change nothing else."""

    name = "time and batch axes swapped"
    named_by = (
        "SPK601",
        "SPK603",
        "SPK106",
    )
    core = True

    def apply(self, patient: Patient) -> Fix:
        """Change the batches."""
        if patient.batch.first.dim() < 3:
            raise NotApplicableError("the input has fewer than three axes")
        patient.change_inputs(lambda x: x.transpose(0, 1))
        return Fix("# before the model is called\nx = x.transpose(0, 1)")
