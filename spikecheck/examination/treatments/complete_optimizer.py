"""An optimizer of every parameter."""

from __future__ import annotations

import torch
from torch import nn

from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment
from spikecheck.finding import Fix


class CompleteOptimizer(Treatment):
    """Add the parameters that the optimizer lacks, also those of modules in a list, and unfreeze random ones."""

    name = "optimizer of all parameters"
    named_by = ("SPK605", "SPK408", "SPK419", "SPK417", "SPK409", "SPK416")
    core = True

    def apply(self, patient: Patient) -> Fix:
        """Add them."""
        optimizer, model = patient.subject.optimizer, patient.subject.model
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        registered = [parameter for _, parameter in model.named_parameters()]
        hidden = [one for one in parameters_of_loss(patient) if not any(one is other for other in registered)]
        missing = [parameter for parameter in (*registered, *hidden) if id(parameter) not in held]
        frozen = [one for one in missing if not one.requires_grad and "SPK417" in patient.checks]
        missing = [one for one in missing if one.requires_grad or any(one is other for other in frozen)]
        if not missing:
            raise NotApplicableError("the optimizer holds every parameter")
        for parameter in missing:
            parameter.requires_grad_(True)
        optimizer.param_groups[0]["params"] += missing  # no new group: a scheduler has a rate for each of the old ones
        kind = type(optimizer).__name__
        rate = optimizer.param_groups[0]["lr"]
        note = "# modules in a torch.nn.ModuleList, not in a list\n" if hidden else ""
        return Fix(f"{note}optimizer = torch.optim.{kind}(model.parameters(), lr={rate:g})")


def parameters_of_loss(patient: Patient) -> list[nn.Parameter]:
    """Return the parameters that a loss is computed from; none where there is no loss function, or no graph."""
    subject = patient.subject
    if subject.loss_fn is None:
        return []
    with torch.enable_grad():
        loss = subject.loss(patient.batch)
    leaves: dict[int, nn.Parameter] = {}
    nodes, visited = [loss.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in visited:
            continue
        visited.add(node)
        variable = getattr(node, "variable", None)
        if isinstance(variable, nn.Parameter):
            leaves[id(variable)] = variable
        nodes += [following for following, _ in node.next_functions]
    return list(leaves.values())
