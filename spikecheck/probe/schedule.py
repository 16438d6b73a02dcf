"""When to look and when to judge, and what both have cost so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

LOOKED_AT_FIRST = 64  # forwards at the start that are all looked at: faults of the set-up show here
JUDGED_FIRST = 10  # updates at the start that are judged one by one
JUDGED_THEN = 16  # and from then on each so-many-th
SPARSEST = 32  # at least each so-many-th forward is looked at, whatever it costs


@dataclass
class Schedule:
    """Which forwards to look at, so that the share of the run's time that goes to spikecheck stays near `budget`.

    `every` looks at each so-many-th forward; None ("auto") looks at the first LOOKED_AT_FIRST, and then doubles the
    stride as long as the measured share is above the budget, up to SPARSEST. `always` judges at every update.
    """

    every: int | None = None
    budget: float = 0.02
    always: bool = False
    stride: int = 1
    own: float = 0.0  # seconds spent in our hooks
    started: float | None = None
    depth: int = 0
    _since: float = field(default=0.0, repr=False)

    def observed(self, forward: int) -> bool:
        """Is this forward looked at?"""
        if self.every is not None:
            return forward <= 1 or forward % self.every == 0
        if forward <= LOOKED_AT_FIRST:
            return True
        if forward % SPARSEST == 0 and (cost := self.cost()) is not None and cost > self.budget:
            self.stride = min(SPARSEST, 2 * self.stride)
        return forward % self.stride == 0

    def judged(self, update: int) -> bool:
        """Is this update judged before it is made?"""
        return self.always or update < JUDGED_FIRST or update % JUDGED_THEN == 0

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
