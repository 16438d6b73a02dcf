"""Which forward passes are measured by all statistics, when to evaluate, and what spikecheck has cost so far."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from spikecheck.probe.hook_cost import seconds_per_call

CHEAP, FULL = 1, 2  # the tiers of the statistics: those of the first measure every forward pass
FULL_FIRST = 16  # forward passes at the start that are measured in full: faults of the setup show here
EVALUATED_FIRST = (0, 1, 2, 5, 9)  # updates at the start: to evaluate costs a tenth of a step
EVALUATED_EVERY = 16  # then after 16 forward passes that were measured in full: a window of evidence
EVALUATED_AT_LEAST = 64  # and after so many forward passes of any kind, so that what tier 1 shows is not judged late
MAX_STRIDE = 32  # at least every 32nd forward pass is measured in full, whatever it costs
#: What a call that is noted, and an entry that is timed, add to a run beside the time between our own clock's readings,
#: in units of `seconds_per_call`: in the middle of a training step our code finds nothing of its own in the processor's
#: caches, and leaves less there of the user's. Fitted to what benchmarks/overhead shows of ten networks.
PER_CALL, PER_ENTRY = 4, 8
MIN_TIMED = 32  # forward passes after the start from which the cost is told: as many as lie between two that are full


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
    entries: int = 0  # into our hooks
    noted: int = 0  # calls of layers that were noted without being timed
    start: tuple[float, float] | None = None  # seconds of the run, and of those ours, when FULL_FIRST passes were over
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
        if self.passes == FULL_FIRST + 1 and self.started is not None:
            self.start = time.perf_counter() - self.started, self.spent
        if self.every is not None:
            full = sample.passes == 1 or sample.passes % self.every == 0
        elif sample.passes <= FULL_FIRST:
            full = True
        else:
            if sample.passes == FULL_FIRST + 1:
                sample.stride = max(1, math.ceil(min(MAX_STRIDE, self.cost_so_far() / self.budget)))
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
            or update in EVALUATED_FIRST
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
            self.entries += 1

    def note(self, calls: int) -> None:
        """Count calls that were noted, each of which took too little time to be measured by itself."""
        self.noted += calls

    @property
    def passes(self) -> int:
        """The forward passes so far."""
        return sum(sample.passes for sample in self.samples.values())

    @property
    def spent(self) -> float:
        """Our seconds so far: those in our hooks, and what cannot be timed there."""
        return self.own + seconds_per_call() * (PER_CALL * self.noted + PER_ENTRY * self.entries)

    def cost(self) -> float | None:
        """Return our time over that of the training after the start; None where the run is too short to tell."""
        if self.started is None or self.start is None or self.passes < FULL_FIRST + MIN_TIMED:
            return None
        seconds, ours = self.start
        return share(self.spent - ours, time.perf_counter() - self.started - seconds)

    def cost_so_far(self) -> float:
        """Return our time over the rest of that since the first hook, however short; infinity where there is none."""
        if self.started is None:
            return 0.0
        so_far = share(self.spent, time.perf_counter() - self.started)
        return math.inf if so_far is None else so_far

    def start_cost(self) -> float | None:
        """Return the same for the first FULL_FIRST forward passes; None until the cost of the others is told."""
        return None if self.start is None or self.cost() is None else share(self.start[1], self.start[0])


def share(ours: float, seconds: float) -> float | None:
    """Return our seconds over the others of a span of time; None where none are left, so that nothing can be told."""
    return ours / (seconds - ours) if seconds > ours else None
