"""Parameters that the forward pass uses and the model does not have: in a Python list, in a tuple, beside the model."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

from spikecheck.probe.torch_private import has_values, is_freed, parents_of, sequence_number
from spikecheck.probe.unused import sample

SEARCHED_LOSSES = 2  # one that each forward pass makes for itself is in one of them alone
MOST_NODES = 20_000  # of one graph, nearest to the loss first: 20 ms, twice in a run


@dataclass
class UnregisteredParameters:
    """Parameters in the graph of the first losses that are none of the model's, with some of their values of then."""

    losses: int = 0
    candidates: dict[int, tuple[ref[Tensor], Tensor]] = field(default_factory=dict)

    @torch.no_grad()
    def backward_begins(self, roots: Sequence[Tensor], returned: int | None, known: Container[int]) -> None:
        """A backward pass begins at these losses.

        `returned` is the number of the graph's latest node where the model returned, `known` the model's parameters.
        """
        if self.losses >= SEARCHED_LOSSES or returned is None:
            return
        self.losses += 1
        output = max(outputs(roots, returned), key=sequence_number, default=None)
        present = {} if output is None else {id(leaf): leaf for leaf in leaves(output) if id(leaf) not in known}
        if self.losses == 1:
            self.candidates = {key: (ref(leaf), sample(leaf)) for key, leaf in present.items()}
        else:
            self.candidates = {key: one for key, one in self.candidates.items() if key in present}

    @torch.no_grad()
    def unmoved(self, known: Container[int]) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of those that have a gradient and are what they were; waits for the device."""
        if self.losses < SEARCHED_LOSSES:
            return ()
        alive = [(leaf, before) for get, before in self.candidates.values() if (leaf := get()) is not None]
        return tuple(
            tuple(leaf.shape)
            for leaf, before in alive
            if id(leaf) not in known and leaf.grad is not None and bool(leaf.grad.any())
            if bool((sample(leaf) == before.to(leaf.device)).all())
        )


def outputs(roots: Sequence[Tensor], returned: int) -> Iterator[Any]:
    """Yield the nodes that the losses were computed from, other than those that were made after the model returned.

    They are the outputs of the model and of what ran before it, such as a teacher.
    """
    for node in upstream([root.grad_fn for root in roots if root.grad_fn is not None], returned):
        if sequence_number(node) <= returned:
            yield node


def leaves(output: Any) -> Iterator[nn.Parameter]:
    """Yield the parameters from which a node was computed."""
    for node in upstream([output]):
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, nn.Parameter) and has_values(leaf) and not leaf.is_meta and not is_freed(leaf):
            yield leaf


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
