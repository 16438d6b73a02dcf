"""A stand-in for the model of code that has none: tensors in a list, and functions that compute with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

MAX_DEPTH = 2  # lists within lists that are looked into for a name
MAX_ITEMS = 1000  # a longer list holds data


class ParameterSet(nn.Module):
    """Parameters under the names that the script has for them. It is never called."""

    def __init__(self, named: Mapping[str, Tensor]) -> None:
        super().__init__()
        # not by register_parameter, which takes no plain tensor that requires a gradient, and no name like net.weight
        self._parameters.update(named)  # type: ignore[arg-type]

    def same_as(self, other: nn.Module) -> bool:
        """Return whether another one holds a parameter of this one: it stands for the same model."""
        own = {id(parameter) for parameter in self.parameters()}
        return isinstance(other, ParameterSet) and any(id(parameter) in own for parameter in other.parameters())


class Assembly(nn.Module):
    """Modules and tensors that a script trains together and calls one by one, by its variables; never called itself."""

    def __init__(self, modules: dict[str, nn.Module], tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self._modules.update(modules)
        self._parameters.update(tensors)  # type: ignore[arg-type] # not by register_parameter, which takes no tensor


def of_optimizer(optimizer: Optimizer) -> list[Tensor]:
    """Return the tensors that an optimizer updates."""
    return [tensor for group in optimizer.param_groups for tensor in group["params"]]


def named(tensors: Iterable[Tensor], frame: Any) -> dict[str, Tensor]:
    """Return the tensors by the variables that hold them in a frame or its callers, as Python code; else by number.

    A variable of a tensor's own comes before a place in a module, a list or a dict.
    """
    wanted = {id(tensor): tensor for tensor in tensors}
    variables = [item for scope in scopes(frame) for item in list(scope.items()) if not item[0].startswith("_")]
    names: dict[int, str] = {}
    for name, value in variables:
        if id(value) in wanted:
            names.setdefault(id(value), name)
    for name, value in variables if len(names) < len(wanted) else ():
        for inner, tensor in within(name, value):
            names.setdefault(id(tensor), inner)
    return {names.get(key, f"parameter {number}"): t for number, (key, t) in enumerate(wanted.items())}


def scopes(frame: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the variables of a frame and of its callers, its own first."""
    while frame is not None:
        yield frame.f_locals
        if frame.f_locals is not frame.f_globals:
            yield frame.f_globals
        frame = frame.f_back


def within(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a module, a list or a dict, by the expression that reads each."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, nn.Module):
        yield from ((f"{name}.{inner}", parameter) for inner, parameter in value.named_parameters())
    elif isinstance(value, list | tuple | dict) and len(value) <= MAX_ITEMS and depth < MAX_DEPTH:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from within(f"{name}[{key!r}]", item, depth + 1)
