"""An input that lasts for several time steps."""

from __future__ import annotations

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix

STEPS = 25  # judgment call: what tutorials give a static image


class RepeatedFrame(Treatment):
    """Show a single frame for 25 time steps."""

    name = "frame repeated over time"
    named_by = ("SPK104", "SPK105")

    def apply(self, patient: Patient) -> Fix:
        """Change the batches."""
        x = patient.batch.first
        axes = [axis for axis in (0, 1) if x.dim() > 2 and x.shape[axis] == 1]
        if len(axes) != 1:
            raise NotApplicableError("no axis of the input has a single entry")
        sizes = [STEPS if axis == axes[0] else -1 for axis in range(x.dim())]
        patient.change_inputs(lambda x: x.expand(*sizes))
        return Fix(f"# before the model is called\nx = x.expand({', '.join(map(str, sizes))})")
