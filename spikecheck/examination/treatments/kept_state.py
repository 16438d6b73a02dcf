"""The state of the neurons, passed on from time step to time step."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

from spikecheck.assertions.watched import tensors_of
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, code_path
from spikecheck.finding import Fix


class KeptState(Treatment):
    """Where a module returns a state in each time step and is called without it in the next, pass it on."""

    name = "state passed on to the next time step"
    named_by = ("SPK209",)

    def apply(self, patient: Patient) -> Fix:
        """Find such modules in one forward pass, and pass their state on in all later ones."""
        model = patient.subject.model
        watched = {
            name: Passed(module)
            for name, module in model.named_modules()
            if module is not model and takes_state(module)
        }
        for one in watched.values():
            one.watch(model)
        patient.output()
        lost = {name: one for name, one in watched.items() if one.is_lost}
        if not lost:
            raise NotApplicableError("no module returns a state that the next time step does not get")
        for one in lost.values():
            one.passes_on = True
        lines = [f"    out, state = {code_path(name)}(x_t, state)" for name in lost]
        return Fix(
            "\n".join(["# before the loop over time, not in it", "state = None", "for x_t in x.unbind(1):", *lines])
        )


class Passed:
    """Watches the calls of one module, and passes its state on within a forward pass of the model."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.state: tuple[Any, ...] = ()  # that the last call returned
        self.calls, self.dropped = 0, 0  # after the first one; those that did not get what the last one returned
        self.passes_on = False

    @property
    def is_lost(self) -> bool:
        """Whether no call got the state of the one before."""
        return 0 < self.calls == self.dropped

    def watch(self, model: nn.Module) -> None:
        """Watch every forward pass of the model from now on."""
        model.register_forward_pre_hook(lambda *args: self.forget())
        self.module.register_forward_pre_hook(self.before, with_kwargs=True)
        self.module.register_forward_hook(self.after)

    def forget(self) -> None:
        """Forget the state: a forward pass of the model begins."""
        self.state = ()

    def before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Count a call, and put the state into it."""
        if not self.state or not args:
            return None
        passed, returned = tensors_of([*args[1:], *kwargs.values()]), tensors_of(self.state)
        self.calls += 1
        self.dropped += not any(one.shape == other.shape and one.equal(other) for one in passed for other in returned)
        return ((args[0], *self.state), {}) if self.passes_on else None

    def after(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Note the state."""
        is_state = isinstance(output, tuple) and len(output) > 1 and isinstance(output[0], Tensor)
        self.state = tuple(output[1:]) if is_state else ()


def takes_state(module: nn.Module) -> bool:
    """Return whether the forward pass of a module takes more than one argument."""
    try:
        return len(inspect.signature(module.forward).parameters) > 1
    except (TypeError, ValueError):
        return False
