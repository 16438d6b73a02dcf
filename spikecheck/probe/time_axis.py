"""Which axis of a layer's output is time, read from the graph of one call that holds the loop over time.

The loop leaves its marks: `torch.stack` or `torch.cat` made the axis, whatever dropout or transposition came after; the
surrogate was applied once per time step; and the input was taken apart along its own time axis by indexing or `unbind`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from spikecheck.probe.frameworks.generic import joined_parts
from spikecheck.probe.torch_private import (
    is_custom_function,
    parents_of,
    saved_axes,
    saved_axis,
    shape_of,
)
from spikecheck.site import Layout

SAME_SHAPE = ("Mul", "Div", "NativeDropout", "Clone", "ToCopy", "Alias", "Add", "Sub", "Neg", "Where")
RESHAPES = ("ViewBackward", "UnsafeViewBackward", "ReshapeAliasBackward")
MIN_STEPS = 3  # applications that are a loop by their number alone: two may be spikes and a reset
MAX_AFTER = 12  # nodes between the stack and what the layer returns
MAX_NODES = 20_000  # of one call: a layer of 1,000 time steps has about ten per step


@dataclass
class LoopMarks:
    """What a loop over time left in the graph of one call."""

    applied: Counter[tuple[int, ...] | None] = field(default_factory=Counter)  # autograd functions of the layer's own,
    # by the shape of what they computed: other functions quantize weights, or integrate a whole sequence
    input_axes: list[tuple[int, int]] = field(default_factory=list)  # (axis, its size) along which a tensor was indexed

    def steps(self, shape: Sequence[int], axis: int) -> int:
        """Return how often a function computed one slice along an axis of a tensor of this shape."""
        slice_shape = tuple(size for place, size in enumerate(shape) if place != axis)
        return self.applied[slice_shape] + self.applied[None]


def layout_of(output: Tensor, inputs: Iterable[Tensor]) -> Layout | None:
    """Return the axes of what a layer for whole sequences returned; None where the graph does not tell."""
    if output.grad_fn is None or output.dim() < 2:
        return None
    axis = stacked_axis(output)
    return with_time(axis if axis is not None else axis_of_loop(output, inputs))


def folded_steps(output: Tensor | None) -> int | None:
    """Return the number of time steps that were stacked, and then made one axis with the batch; None otherwise."""
    if output is None:
        return None
    node, shape = output.grad_fn, tuple(output.shape)
    if node is None or not shape or not type(node).__name__.startswith(RESHAPES):
        return None
    before = next(iter(parents_of(node)), None)
    stacked = None if before is None else shape_of(before)
    if stacked is None or not type(before).__name__.startswith("StackBackward") or len(stacked) != len(shape) + 1:
        return None
    first = saved_axis(before, "_saved_dim", len(stacked)) == 0
    return stacked[0] if first and stacked[2:] == shape[1:] and stacked[0] > 1 else None


def spiking_part(output: Tensor, argument: Tensor) -> tuple[int, int, int] | None:
    """Return the axis along which a layer joined equal parts, how many, and the only one that a function of its made.

    None where it returns its spikes alone, or several parts that spike, such as time steps.
    """
    node = output.grad_fn
    if node is None or not type(node).__name__.startswith("CatBackward"):
        return None
    axis, parts = saved_axis(node, "_saved_dim", output.dim()), node.next_functions
    if axis is None or len(parts) < 2 or joined_parts(output, argument, axis) != len(parts):
        return None
    ends = {argument.grad_fn}
    spiking = [i for i, (part, _) in enumerate(parts) if any(map(is_custom_function, nodes_upstream(part, ends)))]
    return (axis, len(parts), spiking[0]) if len(spiking) == 1 else None


def with_time(axis: int | None) -> Layout | None:
    """Return the layout with time along an axis: the batch is the first of the others."""
    return None if axis is None else Layout(axis, 1 if axis == 0 else 0)


def stacked_axis(output: Tensor) -> int | None:
    """Return the axis of the output that a stack over the time steps made."""
    todo: list[tuple[Any, tuple[int, ...]]] = [(output.grad_fn, tuple(range(output.dim())))]
    visited: set[Any] = set()
    while todo and len(visited) < MAX_AFTER:
        node, axes = todo.pop(0)
        name = type(node).__name__.removesuffix("0").removesuffix("Backward")
        if node in visited:
            continue
        visited.add(node)
        if name == "Stack" or (name == "Cat" and is_stack(node, output.shape, axes)):
            axis = saved_axis(node, "_saved_dim", len(axes))
            return None if axis is None or axis >= len(axes) else axes[axis]
        before = axes_before(node, name, axes)
        if before is not None:
            todo += [(parent, before) for parent in parents_of(node) if same_rank(parent, len(axes))]
    return None


def is_stack(node: Any, shape: Sequence[int], axes: tuple[int, ...]) -> bool:
    """Return whether a concatenation joined as many tensors as its axis has entries: one per time step."""
    axis = saved_axis(node, "_saved_dim", len(axes))
    return axis is not None and axis < len(axes) and len(node.next_functions) == shape[axes[axis]] > 1


def axes_before(node: Any, name: str, axes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return which axis of the output each axis of a node's argument became; None where the node ends the way."""
    if name.startswith(SAME_SHAPE):
        return axes
    if name == "Transpose":
        one, other = saved_axis(node, "_saved_dim0", len(axes)), saved_axis(node, "_saved_dim1", len(axes))
        if one is None or other is None:
            return None
        swapped = list(axes)
        swapped[one], swapped[other] = axes[other], axes[one]
        return tuple(swapped)
    if name == "Permute":
        order = saved_axes(node, "_saved_dims", len(axes))
        return None if order is None else tuple(axes[order.index(i)] for i in range(len(axes)))
    return None


def same_rank(node: Any, rank: int) -> bool:
    """Return whether what a node computed has so many axes; True where torch does not tell."""
    shape = shape_of(node)
    return shape is None or len(shape) == rank


def axis_of_loop(output: Tensor, inputs: Iterable[Tensor]) -> int | None:
    """Return the axis whose size is the number of time steps; of several, the one along which the input was read.

    A loop of one step computed all but an axis of size 1, which it put the step into.
    """
    marks, shape = loop_marks(output, inputs), output.shape
    for uses in (1, 2):  # a neuron may apply its surrogate twice: for spikes and for a reset
        fitting = {axis for axis, size in enumerate(shape) if 1 < size == marks.steps(shape, axis) // uses}
        read = {axis for axis, size in marks.input_axes if axis in fitting and size == shape[axis]}
        if len(read) == 1:
            return read.pop()
        if len(fitting) == 1 and shape[next(iter(fitting))] >= MIN_STEPS:
            return fitting.pop()
    single = [axis for axis, size in enumerate(shape) if size == 1 and marks.steps(shape, axis) in (1, 2)]
    return single[0] if len(single) == 1 and output.dim() > 2 else None


def loop_marks(output: Tensor, inputs: Iterable[Tensor]) -> LoopMarks:
    """Return what the loop left in the graph between a layer's input and its output."""
    marks = LoopMarks()
    for node in nodes_of_call(output, {tensor.grad_fn for tensor in inputs if tensor.grad_fn is not None}):
        if is_custom_function(node):
            marks.applied[shape_of(node)] += 1
        name = type(node).__name__
        if name.startswith(("SelectBackward", "UnbindBackward")):
            sizes = saved_axes(node, "_saved_self_sym_sizes") or tuple(output.shape)  # unbind saves no sizes
            axis = saved_axis(node, "_saved_dim", len(sizes))
            if axis is not None and axis < len(sizes) == output.dim():
                marks.input_axes.append((axis, sizes[axis]))
    return marks


def nodes_of_call(output: Tensor, ends: set[Any]) -> Iterator[Any]:
    """Yield the nodes upstream of a layer's output, up to what it was given."""
    yield from nodes_upstream(output.grad_fn, ends)


def nodes_upstream(node: Any, ends: set[Any]) -> Iterator[Any]:
    """Yield a node and those upstream, up to what a layer was given."""
    todo, visited = [node], set(ends)
    while todo and len(visited) < MAX_NODES:
        node = todo.pop()
        if node is not None and node not in visited:
            visited.add(node)
            yield node
            todo += parents_of(node)
