"""Along which axes the values that a loss is given were normalized and added up, read from the graph."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from spikecheck.probe.torch_private import parents_of, saved_axes, saved_axis, shape_of

SOFTMAX = ("Softmax", "LogSoftmax")
REDUCTIONS = ("Mean", "Sum")  # over time, or over parts of the network
SAME_SHAPE = ("Neg", "Log", "Clone", "ToCopy")
SCALINGS = ("Mul", "Div", "Add", "Sub")  # by a number; with a second tensor, the way ends
MAX_STEPS = 8  # from the loss to the softmax


def softmax_axes(logits: Tensor) -> tuple[tuple[int, ...], ...]:
    """Return the shape that a softmax or log-softmax normalized, then its axis and that of the samples.

    Empty where that axis holds the classes, or where there is no such softmax. Between it and the loss may be means and
    sums over other axes, a logarithm, and a sign. Where anything else is in between, such as a product with the values
    that attention weighs, it is no output of the network.
    """
    node: Any = logits.grad_fn
    shape = tuple(logits.shape)
    samples, classes = (0, 1) if len(shape) > 1 else (-1, 0)
    for _ in range(MAX_STEPS if shape else 0):
        name = type(node).__name__.rstrip("0123456789").removesuffix("Backward")
        if name in SOFTMAX:
            axis = saved_axis(node, "_saved_dim", len(shape))
            return () if axis in (None, classes) else (shape, (axis, samples))
        before = next(iter(parents_of(node)), None) if name in (*REDUCTIONS, *SAME_SHAPE) else None
        wider = None if before is None else shape_of(before)
        if wider is None:
            return ()
        if name in REDUCTIONS:
            reduced = saved_axes(node, "_saved_dim", len(wider)) or ()
            if len(wider) != len(shape) + len(reduced):
                return ()
            for axis in sorted(reduced):
                classes, samples = classes + (axis <= classes), samples + (axis <= samples)
        node, shape = before, wider
    return ()


def stacked_rows(logits: Tensor) -> tuple[int, ...]:
    """Return number and shape of the stacked tensors that became the rows of the logits, another axis being added up.

    Such rows are the time steps that a loop has stacked: what was added up is the batch. Empty where the rows are
    something else, where nothing was added up, as where every time step of one sample has a target, or without a graph.
    """
    node: Any = logits.grad_fn
    shape, rows, reduced_any = tuple(logits.shape), 0, False
    for _ in range(MAX_STEPS if len(shape) == 2 and node is not None else 0):
        name, parents = type(node).__name__.rstrip("0123456789").removesuffix("Backward"), parents_of(node)
        if name == "Stack":
            is_rows = reduced_any and saved_axis(node, "_saved_dim", len(shape)) == rows
            return (shape[rows], *shape[:rows], *shape[rows + 1 :]) if is_rows else ()
        scaled = name in (*SCALINGS, *SAME_SHAPE)
        wider = shape_of(parents[0]) if len(parents) == 1 and (scaled or name in REDUCTIONS) else None
        if wider is None:
            return ()
        if name in REDUCTIONS:
            reduced = saved_axes(node, "_saved_dim", len(wider)) or ()
            if len(wider) != len(shape) + len(reduced):
                return ()
            for axis in sorted(reduced):
                rows += axis <= rows
            reduced_any |= any(wider[axis] > 1 for axis in reduced)
        node, shape = parents[0], wider
    return ()
