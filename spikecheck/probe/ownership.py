"""Whose loss is it, where several models are watched at once?

Losses and backward passes are seen for the whole process. torch numbers the nodes of the graph in the order in which a
thread makes them, so a forward owns the numbers between its beginning and its end, and a loss belongs to the models
whose numbers are found a few nodes upstream. With a single model watched, all is its own and nothing is looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from spikecheck.probe.loss import Listener

LOOKED_AT = 64  # nodes upstream: from a loss to the model's output it is a handful


@dataclass(eq=False)
class Ran:
    """When a model's latest forward was, in the thread's own count of the graph's nodes."""

    everyone: ClassVar[list[Ran]] = []
    latest: ClassVar[dict[int, Ran]] = {}  # by thread

    thread: int = 0
    first: int = 0
    last: int = 0
    backward: int = 0  # the thread in which a backward pass of it goes on

    def join(self) -> None:
        """A model is watched from now on."""
        self.everyone.append(self)

    def leave(self) -> None:
        """It is no more."""
        self.everyone.remove(self)
        for thread in [thread for thread, ran in self.latest.items() if ran is self]:
            del self.latest[thread]

    def begins(self) -> None:
        """A forward of it begins."""
        self.thread = threading.get_ident()
        self.latest[self.thread] = self
        if len(self.everyone) > 1:
            self.first, self.last = now(), 0

    def ends(self) -> None:
        """The forward is over; what follows is no part of it."""
        if len(self.everyone) > 1:
            self.last = now()

    def concerned(self, roots: tuple[Tensor, ...]) -> bool:
        """Were these made from what this model returned?"""
        if len(self.everyone) < 2:
            return True
        thread = threading.get_ident()
        if self.thread != thread:
            return False
        here = [ran for ran in self.everyone if ran.thread == thread]
        owners = {id(ran) for n in numbers(roots) for ran in here if ran.first < n < (ran.last or n + 1)}
        return id(self) in owners if owners else self.latest.get(thread) is self

    def backward_begins(self, roots: tuple[Tensor, ...]) -> bool:
        """Does the backward pass that begins in this thread concern this model?"""
        own, here = self.concerned(roots), threading.get_ident()
        if own:
            self.backward = here
        elif self.backward == here:
            self.backward = 0
        return own

    def in_backward(self) -> bool:
        """Did the latest backward pass of this thread concern this model? Other threads have theirs meanwhile."""
        return self.backward == threading.get_ident()


def now() -> int:
    """The number that the next node of this thread would get; uses it up."""
    with torch.enable_grad():
        made: Any = torch.empty(0, requires_grad=True).neg().grad_fn
    number: int = made._sequence_nr()
    return number


def numbers(roots: tuple[Tensor, ...]) -> list[int]:
    """The numbers of the nodes just upstream."""
    level: list[Any] = [root.grad_fn for root in roots if root.grad_fn is not None]
    found: list[int] = []
    seen: set[Any] = set()
    while level and len(seen) < LOOKED_AT:
        node = level.pop(0)
        if node in seen:
            continue
        seen.add(node)
        found.append(node._sequence_nr())
        level += [parent for parent, _ in node.next_functions if parent is not None]
    return found


class Guarded:
    """A listener behind a guard, which keeps its errors from those who compute losses."""

    def __init__(self, listener: Listener, guard: Callable[[Callable[..., None]], Callable[..., None]]) -> None:
        self.loss_computed = guard(listener.loss_computed)
        self.loss_failed = guard(listener.loss_failed)
        self.backward_begins = guard(listener.backward_begins)
        self.backward_ended = guard(listener.backward_ended)
