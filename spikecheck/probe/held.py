"""References to what the calls of a layer showed, until the forward pass ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from spikecheck.probe.frameworks.base import PER_STEP
from spikecheck.probe.torch_private import are_unchanged, version
from spikecheck.site import Layout


class Held(NamedTuple):
    """A detached reference, and the version it had: a tensor that is changed in place would be counted wrongly."""

    tensor: Tensor
    version: int | None
    layout: Layout

    @classmethod
    def of(cls, tensor: Tensor, layout: Layout) -> Held:
        """Return a reference to the values alone: nothing of the graph is kept."""
        return cls(tensor.detach(), version(tensor), layout)

    @property
    def unchanged(self) -> bool:
        """Whether it still holds what it held."""
        return self.version is None or version(self.tensor) == self.version


@dataclass
class HeldCalls:
    """References to what the calls of a layer showed of one kind, in columns: a time step makes no object of ours."""

    tensors: list[Tensor] = field(default_factory=list)
    versions: list[int | None] = field(default_factory=list)
    layouts: list[Layout] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tensors)

    def append(self, held: Held) -> None:
        """Add one call."""
        self.extend([held.tensor], [held.version], held.layout)

    def extend(self, tensors: Sequence[Tensor], versions: Sequence[int | None], layout: Layout) -> None:
        """Add several calls of one layout."""
        self.tensors += tensors
        self.versions += versions
        self.layouts += [layout] * len(tensors)

    def of_use(self, number: int, uses: int) -> HeldCalls:
        """Return the calls of one of several uses, which follow each other in the same order."""
        return HeldCalls(self.tensors[number::uses], self.versions[number::uses], self.layouts[number::uses])

    def groups(self) -> Iterator[HeldCalls]:
        """Yield the calls of each shape, device and layout, in their order."""
        forms = {tensor.shape for tensor in self.tensors}, {tensor.device for tensor in self.tensors}
        if all(len(form) == 1 for form in forms) and self.layouts.count(self.layouts[0]) == len(self.layouts):
            yield self
            return
        groups: dict[Any, HeldCalls] = {}
        for held in map(Held, self.tensors, self.versions, self.layouts):
            groups.setdefault((held.tensor.shape, held.tensor.device, held.layout), HeldCalls()).append(held)
        yield from groups.values()

    def first_step(self) -> tuple[Tensor, ...]:
        """Return the first time step [batch, ...]; nothing where it is not held, was changed, or has other axes."""
        if not self.tensors or not are_unchanged(self.tensors[:1], self.versions[:1]):
            return ()
        tensor, layout = self.tensors[0].detach(), self.layouts[0]
        if layout.time is None:
            return () if layout.batch else (tensor,)
        first = tensor.select(layout.time, 0)
        return (first,) if layout.batch in (None, 0 if layout.time else 1) else ()

    @property
    def neurons(self) -> torch.Size:
        """The shape of a call without time and batch."""
        axes = {axis for axis in (self.layouts[0].time, self.layouts[0].batch) if axis is not None}
        return torch.Size(n for axis, n in enumerate(self.tensors[0].shape) if axis not in axes)


def with_axes_of(spikes: HeldCalls, currents: HeldCalls) -> HeldCalls:
    """Return currents with the axes of a layer's spikes; none where their shapes do not agree.

    A layer for whole sequences may make its current time step by time step, or with time and batch as one axis, as a
    batch normalization takes it.
    """
    fitting = HeldCalls()
    if not (len(spikes) and len(currents) and are_unchanged(currents.tensors, currents.versions)):
        return fitting
    shape, layout = spikes.tensors[0].shape, spikes.layouts[0]
    step = [size for axis, size in enumerate(shape) if axis != layout.time]
    by_step = layout.time is not None and len(spikes) == 1 and len(currents) == shape[layout.time]
    for current in currents.tensors:
        if by_step and list(current.shape) == step:
            fitting.append(Held.of(current, PER_STEP))
        elif len(currents) == len(spikes) and (current.shape == shape or is_folded(current, shape, layout)):
            fitting.append(Held.of(current.reshape(shape), layout))
        else:
            return HeldCalls()
    return fitting


def is_folded(current: Tensor, shape: Sequence[int], layout: Layout) -> bool:
    """Return whether a current has the first two axes of such a shape, time and batch, as one."""
    return {layout.time, layout.batch} == {0, 1} and tuple(current.shape) == (shape[0] * shape[1], *shape[2:])
