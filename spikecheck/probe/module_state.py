"""What a forward pass may change in a model without training it: the state of neurons, buffers, counters, gradients.

`torch.nn.Module.state_dict` has parameters and buffers alone, while libraries keep potentials in attributes, and in
dictionaries of their own. So every attribute of every module is noted, and every tensor with its values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.probe.torch_private import version

OF_TORCH = frozenset(vars(nn.Module())) - {"_buffers", "training"}  # hooks, parameters and submodules


@dataclass(frozen=True)
class TensorCopy:
    """A tensor, and the values and the version that it had."""

    tensor: Tensor
    values: Tensor
    version: int | None

    @classmethod
    def of(cls, tensor: Tensor) -> TensorCopy:
        """Copy the values of a tensor."""
        return cls(tensor, tensor.detach().clone(), version(tensor))

    def restore(self) -> None:
        """Write the values back, where the tensor was changed in place."""
        if version(self.tensor) != self.version:
            with torch.no_grad():
                self.tensor.detach().copy_(self.values)


@dataclass(frozen=True)
class Containers:
    """A dictionary or a list that can be changed in place, and what it held."""

    container: Any
    content: Any

    def restore(self) -> None:
        """Fill the container with what it held."""
        if isinstance(self.container, dict):
            self.container.clear()
            self.container.update(self.content)
        else:
            self.container[:] = self.content


class ModuleState:
    """The state of a model at one moment, without its parameters; `restore` brings it back as often as wanted."""

    def __init__(self, model: nn.Module) -> None:
        self._containers: list[Containers] = []
        self._tensors: list[TensorCopy] = []
        self._visited: set[int] = set()
        self._gradients = [(parameter, parameter.grad) for _, parameter in model.named_parameters()]
        self._attributes = [(module, self.attributes(module)) for _, module in model.named_modules()]
        for _, attributes in self._attributes:
            for value in attributes.values():
                self.note(value)

    def attributes(self, module: nn.Module) -> dict[str, Any]:
        """Return the attributes of a module that are its own, and not torch's bookkeeping."""
        return {name: value for name, value in vars(module).items() if name not in OF_TORCH}

    def note(self, value: Any) -> None:
        """Note a value, and what is inside of it."""
        if isinstance(value, nn.Module | nn.Parameter) or id(value) in self._visited:
            return
        if isinstance(value, Tensor):
            self._visited.add(id(value))
            self._tensors.append(TensorCopy.of(value))
        elif isinstance(value, dict | list | tuple):
            self._visited.add(id(value))
            content = dict(value) if isinstance(value, dict) else list(value)
            if not isinstance(value, tuple):
                self._containers.append(Containers(value, content))
            for inner in content.values() if isinstance(content, dict) else content:
                self.note(inner)

    def restore(self) -> None:
        """Bring everything back."""
        for module, attributes in self._attributes:
            for name in self.attributes(module).keys() - attributes.keys():
                del vars(module)[name]
            vars(module).update(attributes)
        for container in self._containers:
            container.restore()
        for copy in self._tensors:
            copy.restore()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
