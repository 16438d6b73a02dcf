"""No weight decay."""

from __future__ import annotations

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class NoWeightDecay(Treatment):
    """Set the weight decay to 0."""

    name = "no weight decay"
    named_by = ("SPK412", "SPK503", "SPK203")

    def apply(self, patient: Patient) -> Fix:
        """Change the optimizer."""
        groups = patient.subject.optimizer.param_groups
        if not any(group.get("weight_decay") for group in groups):
            raise NotApplicableError("there is no weight decay")
        for group in groups:
            group["weight_decay"] = 0.0
        return Fix('for group in optimizer.param_groups:\n    group["weight_decay"] = 0.0')
