"""Train the run of a seed with spikecheck attached; record whether it was healthy and which warnings it got."""

from __future__ import annotations

import math
import multiprocessing
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean

import torch

import spikecheck
from spikecheck.finding import Finding, Severity

from .data import Batch
from .recipe import draw_recipe

LEARNED = (
    0.9  # factor on the constant prediction's loss; a lower last loss cannot be reached by a constant or by chance
)
STARTS = 3.0  # factor on the constant prediction's loss; a first cross-entropy above it means a wrong readout scale
LAST = 8  # the last loss is averaged over an eighth of the run
DOUBT = 0.05  # error probability of the upper bound of a rate
PROCESSES = 2


@dataclass(frozen=True)
class Alarm:
    """A warning or an error; `when` is "live" or "report"."""

    check: str
    severity: str
    when: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """The result of one seed.

    Attributes:
        constant: loss of the best constant prediction.
        first, last: the first loss, and the mean of the last eighth.
        raised: the error that the script raised; "" if none.
    """

    seed: int
    words: dict[str, object]
    constant: float
    first: float
    last: float
    alarms: tuple[Alarm, ...]
    seconds: float
    raised: str = ""

    @property
    def healthy(self) -> bool:
        """Return whether the run learned: low last loss, reasonable first loss, no error."""
        sound = self.words["task"] != "classes" or self.first < STARTS * self.constant
        return sound and not self.raised and self.last < min(LEARNED * self.constant, self.first)


def watched(seed: int) -> Outcome:
    """Draw the run, train it with spikecheck attached, and record the warnings."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    recipe, start = draw_recipe(seed), time.perf_counter()
    live: list[Finding] = []
    outputs: list[Batch] = []
    raised = ""
    with spikecheck.attach(recipe.model, on_finding=live.append) as monitor:
        try:
            outputs.extend(recipe.updates())
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raised = f"{type(error).__name__}: {error}".partition("\n")[0]
    losses = [
        float(recipe.plain(logits, labels)) for logits, labels in outputs
    ]  # after detaching: the monitor must not see them
    alarms = [alarm(finding, "live") for finding in live if finding.severity > Severity.NOTE]
    alarms += [alarm(finding, "report") for finding in monitor.report().at_least(Severity.WARNING)]
    return Outcome(
        seed,
        recipe.words,
        recipe.constant,
        first=losses[0] if losses else math.nan,
        last=fmean(losses[-max(1, len(losses) // LAST) :]) if losses else math.nan,
        alarms=tuple(alarms),
        seconds=time.perf_counter() - start,
        raised=raised,
    )


def alarm(finding: Finding, when: str) -> Alarm:
    """Convert a finding to an alarm."""
    return Alarm(
        finding.check, finding.severity.label, when, f"{finding.message} ({finding.site.name}, {finding.when})"
    )


def outcomes(seeds: Iterable[int], processes: int = PROCESSES) -> Iterator[Outcome]:
    """Run the seeds in a pool of processes; yield the results in order."""
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(watched, seeds)


def upper_bound(alarmed: int, runs: int, doubt: float = DOUBT) -> float:
    """Return the upper confidence bound of a rate, with error probability `doubt`.

    One-sided bound of Clopper and Pearson, Biometrika 26 (1934); 1.0 without any run.
    """
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if at_most(alarmed, runs, middle) > doubt:
            low = middle
        else:
            high = middle
    return high


def at_most(alarmed: int, runs: int, rate: float) -> float:
    """Return the probability of at most `alarmed` events in `runs` trials at a given rate."""
    return math.fsum(math.comb(runs, k) * rate**k * (1 - rate) ** (runs - k) for k in range(alarmed + 1))
