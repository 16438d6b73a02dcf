"""Parameters that the forward pass uses and the model does not have: in a Python list, in a tuple, beside the model."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

from spikecheck.probe.ownership import GraphSpan
from spikecheck.probe.torch_private import has_values, is_freed, parents_of, sequence_number
from spikecheck.probe.unused import sample

SEARCHED_LOSSES = 2  # one that each forward pass makes for itself is in one of them alone
MOST_NODES = 20_000  # of one graph, nearest to the loss first: 20 ms, twice in a run


@dataclass(frozen=True)
class Candidate:
    """A parameter that is none of the model's, some of its values at first, and whether the model itself uses it."""

    get: ref[Tensor]
    values: Tensor
    inside: bool


@dataclass
class UnregisteredParameters:
    """Parameters in the graph of the first losses that are none of the model's, with some of their values of then."""

    losses: int = 0
    candidates: dict[int, Candidate] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether all losses that are to be searched have been."""
        return self.losses >= SEARCHED_LOSSES

    @torch.no_grad()
    def backward_begins(self, roots: Sequence[Tensor], returned: int | None, span: GraphSpan) -> None:
        """A backward pass begins at these losses.

        `returned` is the number of the graph's latest node where the model returned, `span` the model's forward pass.
        """
        if self.is_complete or returned is None:
            return
        self.losses += 1
        output = max(outputs(roots, returned), key=sequence_number, default=None)
        present = [] if output is None else [one for one in leaves(output) if id(one[0]) not in span.parameters]
        if self.losses == 1:
            self.candidates = {
                id(leaf): Candidate(ref(leaf), sample(leaf), inside=max(numbers) > span.first)
                for leaf, numbers in present
            }
        else:
            still = {id(leaf) for leaf, _ in present}
            self.candidates = {key: one for key, one in self.candidates.items() if key in still}

    @torch.no_grad()
    def reading(self, known: Container[int]) -> dict[str, Any]:
        """Return fields of a `RunReading`: parameters with a gradient that are what they were; waits for the device."""
        alive = [(leaf, one) for one in self.candidates.values() if (leaf := one.get()) is not None]
        unmoved = [
            (leaf, one)
            for leaf, one in (alive if self.is_complete else ())
            if id(leaf) not in known and leaf.grad is not None and bool(leaf.grad.any())
            if bool((sample(leaf) == one.values.to(leaf.device)).all())
        ]
        return {
            "unregistered_shapes": tuple(tuple(leaf.shape) for leaf, _ in unmoved),
            "unregistered_before": sum(not one.inside for _, one in unmoved),
        }


def outputs(roots: Sequence[Tensor], returned: int) -> Iterator[Any]:
    """Yield the nodes that the losses were computed from, other than those that were made after the model returned.

    They are the outputs of the model and of what ran before it, such as a teacher.
    """
    for node in upstream([root.grad_fn for root in roots if root.grad_fn is not None], returned):
        if sequence_number(node) <= returned:
            yield node


def leaves(output: Any) -> Iterator[tuple[nn.Parameter, list[int]]]:
    """Yield the parameters from which a node was computed, each with the numbers of the nodes that use it."""
    uses: dict[Any, list[int]] = {output: [sequence_number(output)]}
    for node in upstream([output]):
        for parent in parents_of(node):
            uses.setdefault(parent, []).append(sequence_number(node))
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, nn.Parameter) and has_values(leaf) and not leaf.is_meta and not is_freed(leaf):
            yield leaf, uses[node]


def upstream(front: list[Any], down_to: int = -1) -> Iterator[Any]:
    """Yield these nodes and those before them; what comes before a node with this number or a lower one is left out."""
    visited: set[Any] = set(front)
    for count, node in enumerate(front):  # grows while it is read
        if count >= MOST_NODES:
            return
        yield node
        if sequence_number(node) > down_to:
            new = [parent for parent in parents_of(node) if parent not in visited]
            visited.update(new)
            front.extend(new)
