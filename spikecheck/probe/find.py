"""Which modules of a model emit spikes: known from their library, named by the user, or decided by their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from spikecheck.errors import SpikecheckError
from spikecheck.outside_text import safe
from spikecheck.probe.frameworks import generic
from spikecheck.probe.frameworks.base import imported
from spikecheck.probe.layer import Layer, Status, WatchedLayer
from spikecheck.probe.parameter_set import Assembly, ParameterSet
from spikecheck.probe.paths import module_paths
from spikecheck.probe.recorder import LayerCalls
from spikecheck.probe.torch_private import is_dense, takes_hooks
from spikecheck.readings import InputReading
from spikecheck.site import SiteKind

MAX_UNDECIDED_PASSES = 3  # forward passes without gradients after which a candidate waits for one with gradients


def find(model: nn.Module, spikes: Iterable[str | nn.Module], variable: str = "model") -> list[WatchedLayer]:
    """Return the spiking layers that are certain, and the modules that may turn out to be some.

    A module of torch's own emits no spikes; one that holds a certain layer returns that layer's, and one inside of it,
    such as its surrogate, is a part of it.
    """
    frameworks, by_hand = imported(model), generic.Generic()
    named_by_user = {id(resolve(model, which)) for which in spikes}
    paths, shared, layers = module_paths(model, variable), shared_parts(model), []
    for name, module in model.named_modules():
        framework = next((f for f in frameworks if f.spikes(module)), None)
        if framework is not None or id(module) in named_by_user:
            facts = Layer(clean(name) or "model", module, framework or by_hand, path=paths[id(module)])
            layers.append(WatchedLayer(facts, certain=True))
    # `named_modules`, since a library may give `modules` another meaning
    certain = {id(watched.layer.module) for watched in layers}
    inside = {id(part) for watched in layers for _, part in watched.layer.module.named_modules()}
    for name, module in model.named_modules():
        holds = any(id(part) in certain for _, part in module.named_modules())
        of_torch = type(module).__module__.startswith("torch.")
        if clean(name) and not holds and not of_torch and id(module) not in inside and takes_hooks(module):
            facts = Layer(clean(name), module, by_hand, path=paths[id(module)])
            layers.append(WatchedLayer(facts, Status.CANDIDATE, is_shared_part=id(module) in shared))
    return layers


def shared_parts(model: nn.Module) -> set[int]:
    """Return the ids of modules that are held by several modules which are no mere containers."""
    holders: dict[int, set[int]] = {}
    for _, module in model.named_modules():
        for child in module._modules.values():
            if child is not None and not type(module).__module__.startswith("torch."):
                holders.setdefault(id(child), set()).add(id(module))
    return {child for child, parents in holders.items() if len(parents) > 1}


def resolve(model: nn.Module, which: str | nn.Module) -> nn.Module:
    """Return the module that a name or a module of `spikes=` means; SpikecheckError where the model has none such."""
    names: dict[str, nn.Module] = {clean(name): module for name, module in model.named_modules()}
    named = which if isinstance(which, nn.Module) else names.get(clean(which))
    if named is not None and not takes_hooks(named):
        raise SpikecheckError(
            f"spikes= names a module that torch.jit compiled ({type(named).__name__}), which takes no hooks; show its "
            "spikes with spikecheck.tap"
        )
    if isinstance(which, nn.Module):
        if all(which is not module for module in names.values()):
            raise SpikecheckError(f"spikes= names a {type(which).__name__} that is not part of the model")
        return which
    if clean(which) not in names:
        known = ", ".join(name for name in names if name) or "none"
        raise SpikecheckError(f"spikes={which!r}: the model has no module of that name; its modules are {known}")
    return names[clean(which)]


def emits_spikes(
    module: nn.Module, calls: LayerCalls, values_of: Callable[[Tensor], InputReading], forward_passes: int
) -> bool | None:
    """Return whether a candidate emits spikes, by the values of its calls; None where that cannot be told yet."""
    held = calls.held[SiteKind.SPIKES]
    if not len(held) or not held.tensors[0].is_floating_point():
        return False
    alike = len({tensor.shape for tensor in held.tensors}) == 1
    values = values_of(torch.stack(held.tensors).detach() if alike else held.tensors[0].detach())
    inputs = None
    if calls.input is not None and is_dense(calls.input) and not calls.input.is_complex():
        inputs = values_of(calls.input.detach())
    evidence = generic.Evidence(
        own_function=calls.own_function,
        carries_gradient=calls.carries_gradient,
        training=calls.training,
        weighs=any(parameter.dim() > 1 for _, parameter in module.named_parameters()),
    )
    if generic.are_spikes(values, inputs, evidence):
        return True
    return False if calls.training and (not calls.compiled or forward_passes >= MAX_UNDECIDED_PASSES) else None


def named_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters of a model by the names that the reports have for them."""
    return {clean(name): parameter for name, parameter in model.named_parameters()}


def parameter_paths(model: nn.Module, modules: Mapping[int, str]) -> dict[str, str]:
    """Return the expression for the module of each parameter, by its name; `modules` are those for all, by their id.

    A tensor of a model that is only a stand-in has no module: its name is the expression for the tensor itself.
    """
    paths = {}
    for name, module in model.named_modules():
        for own, _ in module.named_parameters(recurse=False):
            full = clean(f"{name}.{own}" if name else own)
            paths[full] = full if isinstance(module, ParameterSet | Assembly) else modules[id(module)]
    return paths


def clean(name: str) -> str:
    """Return a module's name as reports show it: without what wrappers put in front of it, as safe text."""
    while (head := name.partition("."))[0] in ("_orig_mod", "module"):
        name = head[2]
    return safe(name)


def class_of(model: nn.Module) -> str:
    """Return the class of a model as reports show it: without what wraps it, or shards its parameters."""
    while list(model._modules) in (["module"], ["_orig_mod"]) and (inner := next(model.children(), None)) is not None:
        model = inner
    classes = (cls for cls in type(model).__mro__ if not cls.__module__.startswith("torch.distributed.fsdp"))
    return safe(next(classes).__name__)
