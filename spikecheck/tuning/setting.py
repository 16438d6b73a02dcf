"""How a value gets into a network: an argument of its factory, an attribute of its layers, its weights, its optimizer.

Each way is code that is shown as it was run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any

from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.assertions.watched import duplicate
from spikecheck.checks.fixes import plain_number, set_threshold
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Fix
from spikecheck.model_run.user_code import UserCode
from spikecheck.probe.find import find
from spikecheck.site import SiteKind
from spikecheck.tuning.plan import DIGITS

THRESHOLD, WEIGHT_SCALE, LEARNING_RATE = "threshold", "weight_scale", "learning_rate"
SCALE = """with torch.no_grad():
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            weight.mul_({value})"""

Factory = Callable[..., nn.Module]


def build(model: nn.Module | Factory, parameter: str, value: float) -> tuple[nn.Module, str]:
    """Return a network with this value of the parameter, and the code that sets it.

    Raises:
        SpikecheckError: nothing in the model or its factory has a parameter of this name.
    """
    if not isinstance(model, nn.Module) and takes(model, parameter):
        made = create(model, {parameter: value})
        return made, f"model = {getattr(model, '__name__', 'build')}({parameter}={plain_number(value, DIGITS)})"
    network = duplicate(model) if isinstance(model, nn.Module) else create(model, {})
    code = setting_code(network, parameter, value)
    if parameter != LEARNING_RATE:
        Fix(code, applies=True).apply(network)
    return network, code


def takes(factory: Factory, parameter: str) -> bool:
    """Return whether a factory has an argument of this name; one that takes any has."""
    try:
        arguments = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # C code has no signature
        return False
    return parameter in arguments


def create(factory: Factory, arguments: dict[str, float]) -> nn.Module:
    """Return what the factory makes."""
    if not callable(factory):
        raise SpikecheckError(f"tune() needs a module or a function that creates one, got {type(factory).__name__}")
    with UserCode(f"calling {getattr(factory, '__name__', 'the factory')}"):
        made = factory(**arguments)
    if not isinstance(made, nn.Module):
        raise SpikecheckError(f"the factory returned {type(made).__name__}, not a torch.nn.Module")
    return made


def setting_code(model: nn.Module, parameter: str, value: float) -> str:
    """Return the code that sets a parameter of a network that exists."""
    if parameter == LEARNING_RATE:
        return f'for group in optimizer.param_groups:\n    group["lr"] = {plain_number(value, DIGITS)}'
    if parameter == WEIGHT_SCALE:
        return SCALE.format(value=plain_number(value, DIGITS))
    lines = thresholds(model, value) if parameter == THRESHOLD else attributes(model, parameter, value)
    code = "\n".join(dict.fromkeys(line for line in lines if line))
    if not code:
        raise SpikecheckError(
            f"no spiking layer has a {parameter!r} that can be set: pass a function with an argument of that name, "
            f"such as lambda {parameter.rpartition('.')[2]}: Net(...)"
        )
    return code


def thresholds(model: nn.Module, value: float) -> Iterator[str]:
    """Yield a line per layer with a threshold."""
    for watched in find(model, ()):
        layer = watched.layer
        spec = layer.framework.neuron(layer.module)
        if spec.v_threshold is not None:
            yield set_threshold(replace(layer, spec=spec).site(SiteKind.SPIKES), value, DIGITS)


def attributes(model: nn.Module, name: str, value: float) -> Iterator[str]:
    """Yield a line per spiking layer with an attribute of this name, which may be one of a part: `surrogate.alpha`."""
    for watched in find(model, ()):
        layer = watched.layer
        try:
            present: Any = attrgetter(name)(layer.module)
        except AttributeError:
            continue
        number = plain_number(value, DIGITS)
        is_tensor = isinstance(present, Tensor)
        if layer.path and (is_tensor or isinstance(present, int | float)):
            yield f"{layer.path}.{name}.data.fill_({number})" if is_tensor else f"{layer.path}.{name} = {number}"


def set_learning_rate(optimizer: Optimizer, value: float) -> None:
    """Give every group of parameters this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = value
