"""Which forward passes are measured by all statistics, when to evaluate, and what spikecheck has cost so far."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

CHEAP, FULL = 1, 2  # the tiers of the statistics: those of the first measure every forward pass
FULL_FIRST = 24  # forward passes at the start that are measured in full: faults of the setup show here
EVALUATED_FIRST = 10  # updates at the start that are evaluated one by one
EVALUATED_EVERY = 16  # then after 16 forward passes that were measured in full: a window of evidence
EVALUATED_AT_LEAST = 64  # and after so many forward passes of any kind, so that what tier 1 shows is not judged late
MAX_STRIDE = 32  # at least every 32nd forward pass is measured in full, whatever it costs


@dataclass
class Sample:
    """The forward passes of one mode, training or evaluation, and which of them are measured in full."""

    passes: int = 0
    stride: int = 1


@dataclass
class Schedule:
    """Which forward passes to measure in full, so that what this adds stays near `budget`, a share of the run's time.

    With `every` = n, every nth forward pass. None ("auto") measures the first FULL_FIRST, and then as many as their
    measured cost and the budget allow, at least every MAX_STRIDE-th. Training and evaluation are counted apart, so that
    a loop that alternates between them has both measured. `always` evaluates at every update.
    """

    every: int | None = None
    budget: float = 0.02
    always: bool = False
    own: float = 0.0  # seconds spent in our hooks
    started: float | None = None
    depth: int = 0
    in_window: int = 0  # forward passes measured in full since the window of evidence began
    unjudged: int = 0  # forward passes since the latest evaluation
    samples: dict[bool, Sample] = field(default_factory=lambda: {True: Sample(), False: Sample()})
    _since: float = field(default=0.0, repr=False)

    def tier(self, training: bool) -> int:
        """Return the highest tier of the statistics that measure the forward pass that begins."""
        sample = self.samples[training]
        sample.passes += 1
        if self.every is not None:
            full = sample.passes == 1 or sample.passes % self.every == 0
        elif sample.passes <= FULL_FIRST:
            full = True
        else:
            if sample.passes == FULL_FIRST + 1:
                sample.stride = max(1, min(MAX_STRIDE, math.ceil((self.cost() or 0.0) / self.budget)))
            full = sample.passes % sample.stride == 0
        self.in_window += full
        self.unjudged += 1
        return FULL if full else CHEAP

    @property
    def stride(self) -> int:
        """Every how many training passes one is measured in full."""
        return self.every or self.samples[True].stride

    def is_evaluated(self, update: int) -> bool:
        """Return whether to evaluate before this update is made."""
        if not (
            self.always
            or update < EVALUATED_FIRST
            or self.in_window >= EVALUATED_EVERY
            or self.unjudged >= EVALUATED_AT_LEAST
        ):
            return False
        self.unjudged = 0
        return True

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
