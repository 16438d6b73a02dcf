"""A loss that the script writes out, such as `((output - target) ** 2).mean()`: what it compares, read off the graph.

torch's own losses show their arguments. A written one is observed where the backward pass begins: its last nodes are a
mean or a sum, a square or an absolute value, which holds the difference, and the subtraction. Those of a log-likelihood
are a mean or a sum, and the choice of one log-probability for each sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from spikecheck.probe.loss_terms import addends
from spikecheck.probe.torch_private import parents_of, saved_difference, sequence_number

AVERAGES = ("MeanBackward", "SumBackward", "DivBackward", "MulBackward")
OF_A_DIFFERENCE = ("PowBackward", "AbsBackward")
LONGEST = 4  # averages one after the other
CHOICES = ("IndexBackward", "GatherBackward", "SqueezeBackward", "ViewBackward", "DiagonalBackward")


class Origin(NamedTuple):
    """Where in a graph a tensor comes from, without keeping the graph: the node, by kind and number, and its output."""

    kind: str
    number: int
    output: int

    @classmethod
    def of(cls, node: Any, output: int) -> Origin:
        """Return the origin of a node's output."""
        return cls(kind(node), sequence_number(node), output)


class ModelOutput(NamedTuple):
    """One of a model's outputs: its values, and where they come from."""

    tensor: Tensor
    origin: Origin

    @classmethod
    def of(cls, output: Any) -> tuple[ModelOutput, ...]:
        """Return every tensor that a model returned with a gradient to come."""
        several = output if isinstance(output, tuple | list) else (output,)
        learnable = (t for t in several if isinstance(t, Tensor) and t.requires_grad)
        return tuple(cls(t.detach(), Origin.of(t.grad_fn, t.output_nr)) for t in learnable)


def kind(node: Any) -> str:
    """Return what a node of the graph does."""
    return type(node).__name__


def compared_pairs(root: Tensor, outputs: Sequence[ModelOutput]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of output and target of a written loss over all pairs of samples, [n, 1] and [n]; else ()."""
    written = difference_of(root)
    if written is None:
        return ()
    origin, shape = written[0], tuple(written[1].shape)
    n = shape[0] if shape else 0
    one_column = [o for o in outputs if o.origin == origin and tuple(o.tensor.shape) in ((n, 1), (n,))]
    if n < 2 or shape != (n, n) or not one_column:
        return ()
    output = tuple(one_column[0].tensor.shape)
    return output, (n,) if output == (n, 1) else (n, 1)


@torch.no_grad()
def compared_tensors(root: Tensor, outputs: Sequence[ModelOutput]) -> tuple[Tensor, Tensor] | None:
    """Return output and target of a written loss; None where the graph does not look like one."""
    written = difference_of(root)
    if written is None:
        return None
    origin, difference, is_first = written
    for output in outputs:
        if output.origin == origin and output.tensor.shape == difference.shape:
            gap = difference.detach()
            return output.tensor, output.tensor - gap if is_first else output.tensor + gap
    return None


def difference_of(root: Tensor) -> tuple[Origin, Tensor, bool] | None:
    """Return where the output comes from, the difference, and whether the output is its first term."""
    node = root.grad_fn
    for _ in range(LONGEST):
        if node is None or not kind(node).startswith(AVERAGES):
            break
        node = node.next_functions[0][0]
    if node is None or not kind(node).startswith(OF_A_DIFFERENCE):
        return None
    subtraction = node.next_functions[0][0]
    if subtraction is None or not kind(subtraction).startswith("SubBackward"):
        return None
    difference = saved_difference(node)
    first, second = subtraction.next_functions
    if (first[0] is None) == (second[0] is None) or difference is None:
        return None
    return Origin.of(*(first if second[0] is None else second)), difference, second[0] is None


def is_log_likelihood(root: Tensor) -> bool:
    """Return whether a loss is the sum or mean of one log-probability for each sample, without a minus sign.

    Only a number may multiply the sum: the rewards of a policy gradient multiply each log-probability.
    """
    node, averages, choices = root.grad_fn, 0, 0
    while node is not None and averages < LONGEST and kind(node).startswith(AVERAGES):
        averages += 1
        node = next((parent for parent, _ in addends(node) if parent is not None), None)
    while node is not None and averages and choices < LONGEST and kind(node).startswith(CHOICES):
        choices += 1
        node = parents_of(node)[0]
    return choices > 0 and kind(node).startswith("LogSoftmaxBackward")
