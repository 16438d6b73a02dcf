"""Adam with its usual learning rate."""

from __future__ import annotations

import torch

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Role, Treatment
from spikecheck.finding import Fix

RATE = 2e-3  # judgment call: twice the default of Adam, which networks of this field are often trained with


class FreshAdam(Treatment):
    """Train the script's parameters and every weight with Adam, without weight decay, at a learning rate of 0.002."""

    name = "fresh Adam"
    named_by = ("SPK407", "SPK410", "SPK411", "SPK412", "SPK408", "SPK409")
    role = Role.BOOSTER
    core = True

    def apply(self, patient: Patient) -> Fix:
        """Change the optimizer, with the groups of the old one, whose number a scheduler of the script relies on."""
        old = patient.subject.optimizer
        same = type(old) is torch.optim.Adam and all(
            group["lr"] == RATE and not group["weight_decay"] for group in old.param_groups
        )
        if same:
            raise NotApplicableError("the optimizer is Adam with this rate already")
        groups = [[one for one in group["params"] if one.requires_grad] for group in old.param_groups]
        held = {id(one) for group in groups for one in group}
        named = patient.subject.model.named_parameters()
        weights = (one for _, one in named if one.requires_grad and one.dim() > 1)  # time constants may be left out
        groups[0] += [one for one in weights if id(one) not in held]
        patient.replace_optimizer(torch.optim.Adam([{"params": group} for group in groups], lr=RATE))
        return Fix(f"optimizer = torch.optim.Adam(model.parameters(), lr={RATE})  # and no scheduler")
