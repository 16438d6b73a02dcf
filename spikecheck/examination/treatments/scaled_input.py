"""Input on the scale of single spikes."""

from __future__ import annotations

from spikecheck.checks.fixes import plain_number
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, is_binary, quantile
from spikecheck.finding import Fix


class ScaledInput(Treatment):
    """Divide the input by a large value of its own, and clip what is above."""

    name = "input scaled to at most 1"
    named_by = ("SPK101", "SPK206", "SPK110", "SPK303")

    def apply(self, patient: Patient) -> Fix:
        """Change the batches."""
        x = patient.batch.first
        if is_binary(x) or not bool((x != 0).any()):
            raise NotApplicableError("the input holds zeros and ones alone")
        largest = float(plain_number(quantile(x[x != 0].abs(), 0.95)))
        patient.change_inputs(lambda x: (x.float() / largest).clamp(-1, 1))
        return Fix(f"# before the model is called\nx = (x.float() / {largest:g}).clamp(-1, 1)")
