"""Along which axis a softmax normalized the values that a loss is given, read from the graph of the backward pass."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from spikecheck.probe.torch_private import parents_of, saved_axes, saved_axis, shape_of

SOFTMAX = ("Softmax", "LogSoftmax")
REDUCTIONS = ("Mean", "Sum")  # over time, or over parts of the network
SAME_SHAPE = ("Neg", "Log", "Clone", "ToCopy")
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
