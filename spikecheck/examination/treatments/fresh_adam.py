"""Adam with its usual learning rate."""

from __future__ import annotations

import torch

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment
from spikecheck.finding import Fix

RATE = 2e-3  # judgment call: twice the default of Adam, which networks of this field are often trained with


class FreshAdam(Treatment):
    """Train every parameter with Adam, without weight decay, at a learning rate of 0.002."""

    name = "fresh Adam"
    named_by = ("SPK407", "SPK410", "SPK411", "SPK412", "SPK408", "SPK409")
    role = Role.BOOSTER
    core = True

    def apply(self, patient: Patient) -> Fix:
        """Change the optimizer; a training step of the user's own would use the old one."""
        old = patient.subject.optimizer
        same = type(old) is torch.optim.Adam and all(
            group["lr"] == RATE and not group["weight_decay"] for group in old.param_groups
        )
        if same:
            raise NotApplicableError("the optimizer is Adam with this rate already")
        patient.require_plain_step()
        trained = [parameter for _, parameter in patient.subject.model.named_parameters() if parameter.requires_grad]
        patient.subject.optimizer = torch.optim.Adam(trained, lr=RATE)
        return Fix(f"optimizer = torch.optim.Adam(model.parameters(), lr={RATE})  # and no scheduler")
