"""A graph that nothing cuts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from spikecheck.examination.operations import Operations
from spikecheck.examination.reference_neurons import spiking_layers
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, line_of_user
from spikecheck.finding import Fix


class AttachedGraph(Treatment):
    """Leave out every detach() between the spiking layers, and every torch.no_grad() inside the model."""

    name = "nothing detached"
    named_by = ("SPK605", "SPK401", "SPK409")

    def apply(self, patient: Patient) -> Fix:
        """Ignore them during each forward pass; inside a spiking layer, where a reset may be detached, leave them."""
        attached = Attached()
        attached.watch(patient.subject.model, [layer.module for layer in spiking_layers(patient.subject)])
        patient.output()
        if not attached.lines:
            raise NotApplicableError("the model detaches nothing between its layers")
        return Fix("\n".join(f"# {place}: without {what}" for place, what in attached.lines.items()))


class Attached(Operations):
    """Does nothing where a tensor would be detached, or gradients would be switched off; notes the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, str] = {}

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """Run an operation."""
        if func is torch._C._set_grad_enabled and args and not args[0]:
            self.lines.setdefault(line_of_user()[0], "torch.no_grad()")
            return None
        if not self.depth and getattr(func, "__name__", "") == "detach":
            place, is_own = line_of_user()
            if is_own:  # a library knows what it detaches
                self.lines.setdefault(place, ".detach()")
                return args[0]
        return func(*args, **(kwargs or {}))
