"""Which modules of a model emit spikes: certain by their library, told by the user, or to be decided by looking."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from spikecheck.errors import SpikecheckError
from spikecheck.probe.frameworks import generic
from spikecheck.probe.frameworks.base import imported
from spikecheck.probe.layer import Layer
from spikecheck.readings import InputReading
from spikecheck.site import SiteKind

UNDECIDED = 3  # forwards without gradients after which a candidate that shows nothing is let go


def find(model: nn.Module, spikes: Iterable[str | nn.Module]) -> list[Layer]:
    """The spiking layers that are certain, and the modules that may turn out to be some.

    A module of torch's own emits no spikes; one that holds a certain layer hands on that layer's, and one inside of it,
    such as its surrogate, is a part of it.
    """
    frameworks, hand = imported(model), generic.Generic()
    told = {id(resolve(model, which)) for which in spikes}
    found = []
    for name, module in model.named_modules():
        framework = next((f for f in frameworks if f.spikes(module)), None)
        if framework is not None or id(module) in told:
            found.append(Layer(clean(name) or "model", module, framework or hand))
    # `named_modules`, since a library may give `modules` another meaning
    certain = {id(layer.module) for layer in found}
    inside = {id(part) for layer in found for _, part in layer.module.named_modules()}
    for name, module in model.named_modules():
        holds = any(id(part) in certain for _, part in module.named_modules())
        torchs = type(module).__module__.startswith("torch.")
        if clean(name) and not holds and not torchs and id(module) not in inside:
            found.append(Layer(clean(name), module, hand, certain=False))
    return found


def resolve(model: nn.Module, which: str | nn.Module) -> nn.Module:
    """The module that a name or a module of `spikes=` means; SpikecheckError where the model has none such."""
    names: dict[str, nn.Module] = {clean(name): module for name, module in model.named_modules()}
    if isinstance(which, nn.Module):
        if all(which is not module for module in names.values()):
            raise SpikecheckError(f"spikes= names a {type(which).__name__} that is not part of the model")
        return which
    if which not in names:
        known = ", ".join(name for name in names if name) or "none"
        raise SpikecheckError(f"spikes={which!r}: the model has no module of that name; its modules are {known}")
    return names[which]


def decide(layer: Layer, look: Callable[[Tensor], InputReading], forward_passes: int) -> bool | None:
    """Does a candidate spike, by the values it showed in this forward? None where that cannot be told yet."""
    held = layer.held[SiteKind.SPIKES]
    if not held or not held[0].tensor.is_floating_point():
        return None if layer.calls == 0 else False
    same = len({h.tensor.shape for h in held}) == 1
    values = look(torch.stack([h.tensor for h in held]) if same else held[0].tensor)
    given = None if layer.given is None or layer.given.is_complex() else look(layer.given.detach())
    if generic.spiking(values, given, layer.own_function, layer.carries_gradient or not layer.training):
        return True
    return False if (layer.training and not layer.traced) or forward_passes >= UNDECIDED else None


def clean(name: str) -> str:
    """A module's name without what wrappers put in front of it."""
    while (head := name.partition("."))[0] in ("_orig_mod", "module"):
        name = head[2]
    return name
