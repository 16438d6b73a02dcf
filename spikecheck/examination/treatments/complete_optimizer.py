"""An optimizer of every parameter."""

from __future__ import annotations

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class CompleteOptimizer(Treatment):
    """Add the parameters that the optimizer lacks, and unfreeze random ones."""

    name = "optimizer of all parameters"
    named_by = ("SPK605", "SPK408", "SPK417", "SPK409", "SPK416")
    core = True

    def apply(self, patient: Patient) -> Fix:
        """Add them."""
        optimizer, model = patient.subject.optimizer, patient.subject.model
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        missing = [parameter for _, parameter in model.named_parameters() if id(parameter) not in held]
        frozen = [one for one in missing if not one.requires_grad and "SPK417" in patient.checks]
        missing = [one for one in missing if one.requires_grad or any(one is other for other in frozen)]
        if not missing:
            raise NotApplicableError("the optimizer holds every parameter")
        for parameter in missing:
            parameter.requires_grad_(True)
        optimizer.param_groups[0]["params"] += missing  # no new group: a scheduler has a rate for each of the old ones
        kind = type(optimizer).__name__
        rate = optimizer.param_groups[0]["lr"]
        return Fix(f"optimizer = torch.optim.{kind}(model.parameters(), lr={rate:g})")
