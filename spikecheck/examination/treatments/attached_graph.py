"""A graph that nothing cuts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

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
        model = patient.subject.model
        for layer in spiking_layers(patient.subject):
            if layer.module is not model:
                surround(layer.module, attached.pause, attached.resume)
        surround(model, attached.begin, attached.end)
        patient.output()
        if not attached.lines:
            raise NotApplicableError("the model detaches nothing between its layers")
        return Fix("\n".join(f"# {place}: without {what}" for place, what in attached.lines.items()))


def surround(module: nn.Module, before: Any, after: Any) -> None:
    """Call one function before each forward pass of a module, and another one after it, also where it raises."""

    def call_before(*args: Any) -> None:  # a hook that returns anything would change the input or the output
        before()

    def call_after(*args: Any) -> None:
        after()

    module.register_forward_pre_hook(call_before)
    module.register_forward_hook(call_after, always_call=True)


class Attached(TorchFunctionMode):
    """Does nothing where a tensor would be detached, or gradients would be switched off; notes the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, str] = {}
        self.depth = 0  # of spiking layers that are running

    def begin(self) -> None:
        """Watch the operations from now on."""
        self.__enter__()  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """Leave them alone again."""
        self.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def pause(self) -> None:
        """Leave operations alone: a spiking layer begins."""
        self.depth += 1

    def resume(self) -> None:
        """Go on: a spiking layer has ended."""
        self.depth -= 1

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
