"""A fresh state for each batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.checks.fixes import for_site
from spikecheck.examination.treatments.base import NotApplicableError, Patient, Treatment, code_path, unique_lines
from spikecheck.finding import Fix
from spikecheck.neuron import NeuronChange

NORMALIZATION = (nn.modules.batchnorm._BatchNorm,)  # their running statistics are meant to stay


class FreshState(Treatment):
    """Before each batch, put back the state that the layers had at the beginning."""

    name = "state reset before each batch"
    named_by = ("SPK602", "SPK208", "SPK213", "SPK106")
    core = True

    def apply(self, patient: Patient) -> Fix:
        """Put back what a forward pass has changed, before the next one."""
        code = library_code(patient)
        resets = [one for name, module in patient.subject.model.named_modules() if (one := states(name, module))]
        before = [held.values() for held in resets]
        patient.output()
        changed = [
            (one, name, value)
            for one, values in zip(resets, before, strict=True)
            for (name, value) in values
            if one.current(name) is not value
        ]
        if not changed:
            raise NotApplicableError("a forward pass leaves no state behind")

        def forget() -> None:
            for one, name, value in changed:
                one.put_back(name, value)

        forget()
        patient.before_update.append(forget)
        lines = code or [f"{one.path}.{name} = {'None' if value is None else '0.0'}" for one, name, value in changed]
        return Fix("\n".join(["# before every batch", *unique_lines(lines)]))


def library_code(patient: Patient) -> list[str]:
    """Return the code by which the library of each layer resets its state."""
    lines = []
    for layer in patient.layers:
        if layer.framework is not None and layer.module is not None:
            code = layer.framework.code_for(NeuronChange.FRESH_STATE, layer.module)
            lines += [fix.code for fix in for_site(code, layer.site, "any")] if code else []
    return lines


class States:
    """What one module keeps that may be a state: attributes and entries of its dictionaries."""

    def __init__(self, path: str, holders: list[dict[str, Any]]) -> None:
        self.path, self.holders = path, holders

    def values(self) -> list[tuple[str, Any]]:
        """Return the values by name."""
        return [(name, value) for held in self.holders for name, value in held.items() if is_state(value)]

    def current(self, name: str) -> Any:
        """Return the value of a name as it is now."""
        return next(held[name] for held in self.holders if name in held)

    def put_back(self, name: str, value: Any) -> None:
        """Put a value back; a tensor as a copy without its graph."""
        holder = next(held for held in self.holders if name in held)
        holder[name] = torch.zeros_like(value) if isinstance(value, Tensor) and not is_initial(value) else value


def states(name: str, module: nn.Module) -> States | None:
    """Return what a module keeps that may be a state; None of torch's own."""
    if isinstance(module, NORMALIZATION):
        return None
    own = vars(module)
    dictionaries = [value for key, value in own.items() if isinstance(value, dict) and key in ("_buffers", "_memories")]
    plain = {key for key, value in own.items() if is_state(value)} - {"training"}
    holders = [*dictionaries, own] if plain else dictionaries
    return States(code_path(name), holders) if holders else None


def is_state(value: object) -> bool:
    """Return whether a value may be the state of neurons."""
    return value is None or (isinstance(value, Tensor | tuple | float) and not isinstance(value, nn.Parameter))


def is_initial(value: Tensor) -> bool:
    """Return whether a tensor holds the beginning of a sequence: nothing, or zeros."""
    return not value.numel() or not bool(value.detach().any())
