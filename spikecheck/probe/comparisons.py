"""Spikes of code without any custom autograd function: comparisons, found by looking at every operation of a pass.

A comparison of something downstream of a weight is a spike when a tensor of the same values, at most HOPS operations
later, carries a gradient (a straight-through estimator) or enters a product with a weight (no surrogate gradient at
all). Looking costs about a quarter of a training step, so it is done only where nothing else showed a spiking layer, in
a few forward passes, and never beside compiled code, which it would make compile again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from spikecheck.probe.applications import Application, CallSite
from spikecheck.probe.torch_private import apply_code, is_functorch_tensor, version

COMPARISONS = frozenset(name for plain in ("gt", "ge", "lt", "le") for name in (plain, f"__{plain}__", f"{plain}_")) | {
    "greater",
    "greater_equal",
    "heaviside",
    "sign",
}
WEIGHING = (
    "linear",
    "matmul",
    "__matmul__",
    "mm",
    "addmm",
    "bmm",
    "baddbmm",
    "einsum",
    "mv",
    "conv1d",
    "conv2d",
    "conv3d",
)
HOPS = 5  # operations between the comparison and what a layer emits
MAX_FRAMES = 12  # between an operation and the custom autograd function that it is a part of
MAX_OPERATIONS = 100_000  # of one pass: what follows is not looked at
TOLERANCE = 1e-5  # hard - soft + soft is the hard value but for rounding


class Comparison:
    """Stands for the autograd function that a comparison has none of."""


@dataclass(slots=True, eq=False)
class Candidate:
    """A comparison that may be a layer's spikes."""

    hard: Tensor
    argument: Tensor
    frame_facts: tuple[Any, int, CallSite]
    place: int
    spikes: Tensor | None = None
    weighed: bool = False  # it enters a product with a weight


class Comparisons(TorchFunctionMode):
    """Follows the comparisons of one forward pass; `observe` is guarded, so that no error of ours reaches the user."""

    def __init__(self, model: Any, guard: Callable[[Callable[..., None]], Callable[..., None]], place: Any) -> None:
        super().__init__()
        self.model, self.place, self.observe = model, place, guard(self.look)
        self.candidates: list[Candidate] = []
        self.derived: dict[int, tuple[Candidate, int]] = {}  # by the id of a tensor: its comparison, operations since
        self.equal: set[int] = set()  # ids of tensors that hold a comparison's values: not of what it gates
        self.weighted: set[int] = set()  # ids of tensors downstream of a weight
        self.alive: list[Tensor] = []  # an id is unique only while its tensor lives
        self.operations = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        self.operations += 1
        if isinstance(output, Tensor) and self.operations <= MAX_OPERATIONS:
            self.observe(getattr(func, "__name__", ""), args, output, sys._getframe(1))
        return output

    def look(self, name: str, args: Sequence[Any], output: Tensor, frame: Any) -> None:
        """Follow one operation."""
        tensors = list(flat(args))
        downstream = any(id(tensor) in self.weighted for tensor in tensors)
        if name in WEIGHING or downstream:
            self.weighted.add(id(output))
            self.alive.append(output)
        if name in COMPARISONS:
            argument = next(iter(tensors), None)
            if downstream and argument is not None and is_potential(argument, output) and not in_function(frame):
                facts = (frame.f_code, frame.f_lasti, CallSite.of(frame, self.model))
                candidate = Candidate(output, argument, facts, self.place())
                self.candidates.append(candidate)
                self.keep(output, candidate, 0)
            return
        source = next((self.derived[id(tensor)] for tensor in tensors if id(tensor) in self.derived), None)
        if source is None:
            return
        candidate, hops = source
        if name in WEIGHING:
            candidate.weighed |= any(id(tensor) in self.equal for tensor in tensors)
        elif output.shape == candidate.hard.shape and output.is_floating_point() and hops < HOPS:
            self.keep(output, candidate, hops + 1)
            if torch.allclose(output.detach(), candidate.hard.to(output), atol=TOLERANCE):
                self.equal.add(id(output))
                if candidate.spikes is None or (output.requires_grad and not candidate.spikes.requires_grad):
                    candidate.spikes = output

    def keep(self, tensor: Tensor, candidate: Candidate, hops: int) -> None:
        """Follow what is made of a tensor."""
        self.derived[id(tensor)] = candidate, hops
        self.alive.append(tensor)

    def applications(self) -> Iterator[Application]:
        """Yield the comparisons that turned out to be spikes, as applications of a function."""
        for candidate in self.candidates:
            spikes, (code, instruction, site) = candidate.spikes, candidate.frame_facts
            if spikes is None or not (spikes.requires_grad or candidate.weighed):
                continue
            values = candidate.hard.to(spikes.dtype)
            versions = version(spikes), version(candidate.argument)
            application = Application(
                Comparison, spikes, candidate.argument, code, instruction, *versions, site, candidate.place
            )
            application.values, application.called = values, code.co_name
            yield application


def flat(args: Sequence[Any]) -> Iterator[Tensor]:
    """Yield the tensors among arguments, in lists too."""
    for value in args:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, tuple | list):
            yield from (inner for inner in value if isinstance(inner, Tensor))


def is_potential(argument: Tensor, output: Tensor) -> bool:
    """Return whether a comparison's argument may be potentials of a batch."""
    same = output.shape == argument.shape and not argument.is_meta and not is_functorch_tensor(argument)
    return same and argument.is_floating_point() and argument.dim() > 1


def in_function(frame: Any) -> bool:
    """Return whether an operation is a part of a custom autograd function, which is observed as a whole."""
    code = apply_code()
    for _ in range(MAX_FRAMES):
        if frame is None or code is None:
            return False
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False
