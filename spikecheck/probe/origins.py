"""Which operations of the graph make NaN and infinity: read where a backward pass begins, from what its nodes saved.

Reading a value waits for the device, and what a node saved may be computed again (activation checkpoints). So only what
follows the model's return is read of the first losses, and the whole graph only where the loss is not finite already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from spikecheck.probe.torch_private import has_values, is_dense, parents_of, saved_number, saved_tensor, sequence_number
from spikecheck.site import Operation, Origin

FIRST_LOSSES = 2  # whose operations are read: what is wrong with a loss is often wrong from the start
MOST_SEARCHES = 3  # of whole graphs: after the first ones, every parameter is NaN
MOST_NODES = 4096  # of one graph, nearest to the loss first
MOST_OPERATIONS = 4  # that are kept


class Origins:
    """The operations that made a loss NaN or infinite, and those that make its gradient so."""

    def __init__(self) -> None:
        self.of_values: tuple[Origin, ...] = ()
        self.of_gradients: tuple[Origin, ...] = ()
        self.losses = 0
        self.searches = 0

    @torch.no_grad()
    def backward_begins(self, roots: Sequence[Tensor], returned: int | None) -> None:
        """A backward pass begins at these losses; `returned` is the number of the model's last node."""
        self.losses += 1
        finite = all(is_finite(root) for root in roots)
        if not finite and not self.of_values and self.searches < MOST_SEARCHES:
            self.searches += 1
            self.of_values = named(roots, VALUES, lambda node: True)
        elif finite and self.losses <= FIRST_LOSSES and returned is not None and not self.of_gradients:
            self.of_gradients = named(roots, GRADIENTS, lambda node: sequence_number(node) > returned)


def is_finite(root: Tensor) -> bool:
    """Return whether a loss is finite; taken for granted on a device that would have to be waited for."""
    known = has_values(root) and root.device.type == "cpu" and is_dense(root)
    return not known or bool(root.isfinite().all())


def named(roots: Sequence[Tensor], questions: Questions, within: Callable[[Any], bool]) -> tuple[Origin, ...]:
    """Return what the nodes of a graph say, each answer once."""
    answers: dict[Origin, None] = {}
    for node, unused in nodes(roots, within):
        question = questions.get(type(node).__name__)
        operation = None if question is None else question(node)
        if operation is not None:
            answers[Origin(operation, unused)] = None
        if len(answers) >= MOST_OPERATIONS:
            break
    return tuple(answers)


def nodes(roots: Sequence[Tensor], within: Callable[[Any], bool]) -> Iterator[tuple[Any, bool]]:
    """Yield the nodes of a graph from the loss on, and whether a choice of torch.where lies between."""
    front = [(root.grad_fn, False) for root in roots if root.grad_fn is not None]
    visited: set[Any] = {node for node, _ in front}
    for count, (node, chosen) in enumerate(front):  # grows while it is read
        if count >= MOST_NODES:
            return
        yield node, chosen
        chosen |= type(node).__name__.startswith("WhereBackward")
        for parent in parents_of(node):
            if parent not in visited and within(parent):
                visited.add(parent)
                front.append((parent, chosen))


Questions = dict[str, Callable[[Any], Operation | None]]


def holds(values: Tensor | None, test: Callable[[Tensor], Tensor]) -> bool:
    """Return whether any of the values is so."""
    if values is None or not has_values(values) or values.is_meta:
        return False
    return bool(test(values).any())


def of_logarithm(node: Any) -> Operation | None:
    """Return what is wrong with the argument of a logarithm."""
    x = saved_tensor(node, "_saved_self")
    if holds(x, lambda value: value < 0):
        return Operation.LOG_OF_NEGATIVE
    return Operation.LOG_OF_ZERO if holds(x, lambda value: value == 0) else None


def of_division(node: Any) -> Operation | None:
    """Return whether something is divided by 0, and whether that is 0 too."""
    x, divisor = saved_tensor(node, "_saved_self"), saved_tensor(node, "_saved_other")
    if not holds(divisor, lambda value: value == 0):
        return None
    zero = x is not None and divisor is not None and bool(((x == 0) & (divisor == 0)).any())
    return Operation.ZERO_BY_ZERO if zero else Operation.DIVISION_BY_ZERO


def of_root(node: Any) -> Operation | None:
    """Return whether a square root is taken at 0, where its derivative is infinite."""
    root = saved_tensor(node, "_saved_result")
    return Operation.ROOT_AT_ZERO if holds(root, lambda value: value == 0) else None


def of_power(node: Any) -> Operation | None:
    """Return whether 0 is raised to a power whose derivative there is infinite."""
    exponent = saved_number(node, "_saved_exponent")
    zero = holds(saved_tensor(node, "_saved_self"), lambda value: value == 0)
    return Operation.POWER_AT_ZERO if zero and exponent is not None and exponent < 1 else None


def of_exponential(node: Any) -> Operation | None:
    """Return whether an exponential is too large for its number format."""
    return Operation.OVERFLOW if holds(saved_tensor(node, "_saved_result"), torch.isinf) else None


def of_inverse(node: Any) -> Operation | None:
    """Return whether an inverse is that of 0."""
    return Operation.DIVISION_BY_ZERO if holds(saved_tensor(node, "_saved_result"), torch.isinf) else None


VALUES: Questions = {
    "LogBackward0": of_logarithm,
    "Log2Backward0": of_logarithm,
    "Log10Backward0": of_logarithm,
    "DivBackward0": of_division,
    "ExpBackward0": of_exponential,
    "ReciprocalBackward0": of_inverse,
    "RsqrtBackward0": of_inverse,
}
GRADIENTS: Questions = VALUES | {"SqrtBackward0": of_root, "PowBackward0": of_power}
