"""Remember everything that a trial may change, and put it back, where a process cannot be forked.

What is remembered: every attribute of every module (parameters, buffers, hooks, submodules, modes, tensors and plain
containers), gradients, the optimizer's state and its groups, and the random states of torch, its devices, numpy and
Python. What a user's function keeps elsewhere is not reached: a counter in a closure, a scheduler.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

Restore = Callable[[], None]
MAX_DEPTH = 6  # of containers in containers: torch's own nest three


@dataclass
class ModelState:
    """The state of models and an optimizer at one time.

    `restore` puts it back, into the same tensors and containers, so that every reference of the user's stays valid.
    """

    steps: list[Restore] = field(default_factory=list)
    _tensors: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    _visited: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, roots: list[nn.Module], optimizer: Optimizer | None) -> ModelState:
        """Remember the state of modules, of an optimizer, and all random states."""
        state = cls()
        for root in roots:
            for _, module in root.named_modules():  # a library may give `modules` another meaning
                state.keep_container(vars(module), 0)
        if optimizer is not None:
            state.keep_container(vars(optimizer), 0)
        state.steps.append(random_state())
        return state

    def restore(self) -> None:
        """Put everything back."""
        for step in self.steps:
            step()
        for tensor, value in self._tensors.values():
            with torch.no_grad():
                tensor.data.copy_(value)

    def differences(self) -> Iterator[str]:
        """Yield a line for each tensor that is not as it was."""
        for tensor, value in self._tensors.values():
            if not torch.equal(bits(tensor.detach()), bits(value)):
                yield f"a tensor of shape {list(tensor.shape)} is not as it was"

    def keep(self, value: Any, depth: int) -> None:
        """Remember a value and what it holds."""
        if isinstance(value, Tensor):
            self.keep_tensor(value)
        elif isinstance(value, dict | list | set) and id(value) not in self._visited and depth < MAX_DEPTH:
            self.keep_container(value, depth)
        elif isinstance(value, tuple) and depth < MAX_DEPTH:
            for part in value:
                self.keep(part, depth + 1)

    def keep_container(self, container: Any, depth: int) -> None:
        """Remember what a dict, list or set holds."""
        self._visited.add(id(container))
        before = container.copy()

        def restore() -> None:
            container.clear()
            container.extend(before) if isinstance(container, list) else container.update(before)

        self.steps.append(restore)
        for part in before.values() if isinstance(before, dict) else before:
            self.keep(part, depth + 1)

    def keep_tensor(self, tensor: Tensor) -> None:
        """Remember the values, the gradient and `requires_grad` of a tensor."""
        if id(tensor) in self._tensors or not is_plain(tensor):
            return
        self._tensors[id(tensor)] = tensor, tensor.detach().clone()
        if not tensor.is_leaf:
            return
        gradient, wanted, data = tensor.grad, tensor.requires_grad, tensor.data
        if gradient is not None:
            self.keep_tensor(gradient)

        def restore() -> None:
            if tensor.layout is torch.strided and not same_memory(tensor, data):
                tensor.data = data
            tensor.requires_grad_(wanted)
            tensor.grad = gradient

        self.steps.append(restore)


def same_memory(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors show the same memory in the same way."""
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape and one.dtype == other.dtype


def is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor holds values that can be copied: not a lazy parameter, nor one without a storage."""
    return not nn.parameter.is_lazy(tensor) and tensor.device.type != "meta"


def bits(tensor: Tensor) -> Tensor:
    """Return a tensor in a form in which equal means the same bits: NaN equals NaN."""
    dense = tensor.to_dense() if tensor.layout is not torch.strided else tensor
    return torch.nan_to_num(dense, nan=1.25, posinf=2.5, neginf=-2.5) if dense.is_floating_point() else dense


def random_state() -> Restore:
    """Return what puts every random state back as it is now."""
    cpu, python, numpy = torch.get_rng_state(), random.getstate(), sys.modules.get("numpy")
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    array = numpy.random.get_state() if numpy is not None else None

    def restore() -> None:
        torch.set_rng_state(cpu)
        random.setstate(python)
        if devices:
            torch.cuda.set_rng_state_all(devices)
        if numpy is not None and array is not None:
            numpy.random.set_state(array)

    return restore
