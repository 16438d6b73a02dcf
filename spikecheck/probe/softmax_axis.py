"""Along which axes the values that a loss is given were normalized and added up, read from the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor

from spikecheck.probe.torch_private import parents_of, saved_axes, saved_axis, shape_of
from spikecheck.site import LossCall

SOFTMAX = ("Softmax", "LogSoftmax")
REDUCTIONS = ("Mean", "Sum")  # over time, or over parts of the network
SAME_SHAPE = ("Neg", "Log", "Clone", "ToCopy")
SCALINGS = ("Mul", "Div", "Add", "Sub")  # by a number; with a second tensor, the way ends
MAX_STEPS = 8  # from the loss back


def with_axes(call: LossCall, logits: Tensor) -> LossCall:
    """Return what is known of the call of a loss, with what the graph of its logits shows; it is asked for classes."""
    if call.classes is None:
        return call
    return replace(call, softmax_axes=softmax_axes(logits), stacked_rows=stacked_rows(logits))


class Before(NamedTuple):
    """A node on the way from the loss back, and what it computed."""

    name: str  # of the operation, such as Softmax
    node: Any
    shape: tuple[int, ...]
    reduced: tuple[int, ...]  # axes of this shape that the operation after it added up or averaged


def way_back(logits: Tensor, through: tuple[str, ...]) -> Iterator[Before]:
    """Yield the nodes that made some values, from the latest on, through operations of one tensor with these names.

    Nothing is yielded without a graph, and the way ends where torch does not show a shape or the reduced axes.
    """
    node: Any = logits.grad_fn
    shape, reduced = tuple(logits.shape), tuple[int, ...]()
    for _ in range(0 if node is None else MAX_STEPS):
        name, parents = type(node).__name__.rstrip("0123456789").removesuffix("Backward"), parents_of(node)
        yield Before(name, node, shape, reduced)
        wider = shape_of(parents[0]) if len(parents) == 1 and name in through else None
        if wider is None:
            return
        reduced = (saved_axes(node, "_saved_dim", len(wider)) or ()) if name in REDUCTIONS else ()
        if name in REDUCTIONS and len(wider) != len(shape) + len(reduced):
            return
        node, shape, reduced = parents[0], wider, tuple(sorted(reduced))


def softmax_axes(logits: Tensor) -> tuple[tuple[int, ...], ...]:
    """Return the shape that a softmax or log-softmax normalized, then its axis and that of the samples.

    Empty where that axis holds the classes, or where there is no such softmax. Between it and the loss may be means and
    sums over other axes, a logarithm, and a sign. Where anything else is in between, such as a product with the values
    that attention weighs, it is no output of the network.
    """
    samples, classes = (0, 1) if logits.dim() > 1 else (-1, 0)
    for name, node, shape, reduced in way_back(logits, (*REDUCTIONS, *SAME_SHAPE)) if logits.dim() else ():
        for axis in reduced:
            classes, samples = classes + (axis <= classes), samples + (axis <= samples)
        if name in SOFTMAX:
            axis_of_softmax = saved_axis(node, "_saved_dim", len(shape))
            return () if axis_of_softmax in (None, classes) else (shape, (axis_of_softmax, samples))
    return ()


def stacked_rows(logits: Tensor) -> tuple[int, ...]:
    """Return number and shape of the stacked tensors that became the rows of the logits, another axis being added up.

    Such rows are the time steps that a loop has stacked: what was added up is the batch. Empty where the rows are
    something else, where nothing was added up, as where every time step of one sample has a target, or without a graph.
    """
    rows, reduced_any = 0, False
    through = (*REDUCTIONS, *SAME_SHAPE, *SCALINGS)
    for name, node, shape, reduced in way_back(logits, through) if logits.dim() == 2 else ():
        for axis in reduced:
            rows += axis <= rows
        reduced_any |= any(shape[axis] > 1 for axis in reduced)
        if name == "Stack":
            is_rows = reduced_any and saved_axis(node, "_saved_dim", len(shape)) == rows
            return (shape[rows], *shape[:rows], *shape[rows + 1 :]) if is_rows else ()
    return ()
