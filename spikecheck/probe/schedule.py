"""Which forward passes to observe and when to evaluate, and what both have cost so far."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

OBSERVED_FIRST = 24  # forward passes at the start that are all observed: faults of the setup show here
EVALUATED_FIRST = 10  # updates at the start that are evaluated one by one
EVALUATED_EVERY = 16  # then after 16 forward passes that were observed: a window of evidence
MAX_STRIDE = 32  # at least every 32nd forward pass is observed, whatever it costs


@dataclass
class Schedule:
    """Which forward passes to observe, so that the share of the run's time spent in spikecheck stays near `budget`.

    With `every` = n, every nth forward pass. None ("auto") observes the first OBSERVED_FIRST, and then as many as their
    measured cost and the budget allow, at least every MAX_STRIDE-th. `always` evaluates at every update.
    """

    every: int | None = None
    budget: float = 0.02
    always: bool = False
    own: float = 0.0  # seconds spent in our hooks
    started: float | None = None
    depth: int = 0
    stride: int = 1
    in_window: int = 0  # forward passes observed since the window of evidence began
    _since: float = field(default=0.0, repr=False)

    def is_observed(self, forward_pass: int) -> bool:
        """Return whether a forward pass, by its number, is observed."""
        if self.every is not None:
            observed = forward_pass <= 1 or forward_pass % self.every == 0
        elif forward_pass <= OBSERVED_FIRST:
            observed = True
        else:
            if forward_pass == OBSERVED_FIRST + 1:
                self.stride = max(1, min(MAX_STRIDE, math.ceil((self.cost() or 0.0) / self.budget)))
            observed = forward_pass % self.stride == 0
        self.in_window += observed
        return observed

    def is_evaluated(self, update: int) -> bool:
        """Return whether to evaluate before this update is made."""
        return self.always or update < EVALUATED_FIRST or self.in_window >= EVALUATED_EVERY

    def close_window(self) -> bool:
        """Return whether the window has enough forward passes, and begin a new one if so."""
        if self.in_window < EVALUATED_EVERY:
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
        """Return the time spent in our hooks over the rest of the time since the first; None before there is any."""
        if self.started is None:
            return None
        rest = time.perf_counter() - self.started - self.own
        return self.own / rest if rest > 0 else None
