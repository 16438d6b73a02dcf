"""Reset the state of a model's layers between batches, as a training loop does with the functions of its library."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

from torch import nn

from spikecheck.probe.frameworks.generic import RESETS


def reset_methods(model: nn.Module) -> Iterator[Callable[[], object]]:
    """Yield for each module the method that resets its state, if it has one that takes no argument."""
    for _, module in model.named_modules():  # a library may give `modules` another meaning
        for name in RESETS:
            method = getattr(module, name, None)
            if inspect.ismethod(method) and takes_nothing(method):
                yield method
                break


def takes_nothing(method: Callable[..., object]) -> bool:
    """Return whether a method can be called without arguments."""
    try:
        inspect.signature(method).bind()
    except (TypeError, ValueError):
        return False
    return True


def can_reset(model: nn.Module) -> bool:
    """Return whether the state of a model can be reset, and its weights stay when that is done; meant for a copy."""
    versions = [parameter._version for _, parameter in model.named_parameters()]
    methods = list(reset_methods(model))
    try:
        for method in methods:
            method()
    except (RuntimeError, TypeError, ValueError, AttributeError):  # a method of this name that does something else
        return False
    return bool(methods) and versions == [parameter._version for _, parameter in model.named_parameters()]


def reset(model: nn.Module) -> None:
    """Reset the state of every layer."""
    for method in reset_methods(model):
        method()
