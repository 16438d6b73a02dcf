"""When to look and when to judge, and what both have cost so far."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

LOOKED_AT_FIRST = 24  # forwards at the start that are all looked at: faults of the set-up show here
JUDGED_FIRST = 10  # updates at the start that are judged one by one
JUDGED_THEN = 16  # and from then on after so many forwards that were looked at: a window of evidence
SPARSEST = 32  # at least each so-many-th forward is looked at, whatever it costs


@dataclass
class Schedule:
    """Which forwards to look at, so that the share of the run's time that goes to spikecheck stays near `budget`.

    `every` looks at each so-many-th forward; None ("auto") looks at the first LOOKED_AT_FIRST, and from then on at each
    so-many-th as their measured cost fits the budget, at most SPARSEST. `always` judges at every update.
    """

    every: int | None = None
    budget: float = 0.02
    always: bool = False
    own: float = 0.0  # seconds spent in our hooks
    started: float | None = None
    depth: int = 0
    stride: int = 1
    in_window: int = 0  # forwards looked at since the window of evidence began
    _since: float = field(default=0.0, repr=False)

    def observed(self, forward: int) -> bool:
        """Is this forward looked at?"""
        if self.every is not None:
            looked = forward <= 1 or forward % self.every == 0
        elif forward <= LOOKED_AT_FIRST:
            looked = True
        else:
            if forward == LOOKED_AT_FIRST + 1:
                wanted = (self.cost() or 0.0) / self.budget
                self.stride = max(1, min(SPARSEST, math.ceil(wanted)))
            looked = forward % self.stride == 0
        self.in_window += looked
        return looked

    def judged(self, update: int) -> bool:
        """Is this update judged before it is made?"""
        return self.always or update < JUDGED_FIRST or self.in_window >= JUDGED_THEN

    def full(self) -> bool:
        """Has the window enough forwards, so that a new one is to begin?"""
        if self.in_window < JUDGED_THEN:
            return False
        self.in_window = 0
        return True

    def enter(self) -> None:
        """One of our hooks begins."""
        if self.depth == 0:
            self._since = time.perf_counter()
            self.started = self._since if self.started is None else self.started
        self.depth += 1

    def leave(self) -> None:
        """It is over."""
        self.depth -= 1
        if self.depth == 0:
            self.own += time.perf_counter() - self._since

    def cost(self) -> float | None:
        """Our share of the time since the first hook, over the time without it; None before there is any."""
        if self.started is None:
            return None
        rest = time.perf_counter() - self.started - self.own
        return self.own / rest if rest > 0 else None
