"""Which model a tensor belongs to, where several are watched at once.

Losses, backward passes and taps are observed for the whole process. torch numbers the nodes of the graph in the order
in which a thread makes them, so a forward pass owns the numbers between its beginning and its end, and a tensor belongs
to the models whose numbers, or parameters, are found a few nodes upstream. With a single model watched, everything is
its own and nothing is looked up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from spikecheck.probe.torch_private import next_sequence_number, sequence_number

LOOKED_AT = 64  # nodes upstream: from a loss to the model's output it is a handful


class GraphSpan:
    """Where a model's latest forward pass lies in its thread's own count of the graph's nodes."""

    def __init__(self, parameters: Iterable[nn.Parameter] = ()) -> None:
        self.parameters = {id(parameter) for parameter in parameters}
        self.thread = 0
        self.number = 0  # of the pass, among those of the whole process
        self.first = self.last = 0
        self.always_counted = True  # the first losses need its first node, in whatever company
        self.backward = 0  # the thread in which a backward pass of it is running

    def begin(self, number: int, *, counted: bool) -> None:
        """A forward pass begins in this thread, with its number in the process; its nodes are found if `counted`."""
        self.thread, self.number = threading.get_ident(), number
        self.first, self.last = next_sequence_number() if counted else 0, 0

    def end(self) -> None:
        """The forward pass is over."""
        self.last = next_sequence_number() if self.first else 0

    def __contains__(self, number: int) -> bool:
        return bool(self.first) and self.first < number < (self.last or number + 1)

    def backward_begins(self, concerned: bool) -> None:
        """A backward pass begins in this thread."""
        here = threading.get_ident()
        if concerned:
            self.backward = here
        elif self.backward == here:
            self.backward = 0

    def in_backward(self) -> bool:
        """Return whether the latest backward pass of this thread concerns this model; other threads have their own."""
        return self.backward == threading.get_ident()


class Owner(Protocol):
    """Who may own a tensor."""

    span: GraphSpan


W = TypeVar("W", bound=Owner)


def owners(tensors: Sequence[Tensor], candidates: Sequence[W], *, nearest: bool = False) -> list[W]:
    """Return whose forward pass or parameters lie a few nodes upstream; with `nearest`, those of the closest node.

    A loss may be computed from the outputs of several models, and belongs to each of them: parameters, which two
    models can share, count only where no forward pass is found. What is `nearest` has one owner, and a forward pass
    counts there only if it is over: the nodes that follow one without an end may be anybody's.
    """
    by_pass: dict[int, W] = {}
    by_parameter: dict[int, W] = {}
    here = threading.get_ident()
    for node in upstream(tensors):
        number, variable = sequence_number(node), id(getattr(node, "variable", None))
        by_pass |= {
            id(c): c for c in candidates if c.span.thread == here and number in c.span and (c.span.last or not nearest)
        }
        by_parameter |= {id(c): c for c in candidates if variable in c.span.parameters}
        if nearest and (by_pass or by_parameter):
            break
    return list((by_pass or by_parameter).values())


def upstream(tensors: Sequence[Tensor]) -> Iterator[Any]:
    """Yield the nodes of the graph just upstream, the closest first."""
    level: list[Any] = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    visited: set[Any] = set()
    while level and len(visited) < LOOKED_AT:
        node = level.pop(0)
        if node not in visited:
            visited.add(node)
            yield node
            level += [parent for parent, _ in node.next_functions if parent is not None]
