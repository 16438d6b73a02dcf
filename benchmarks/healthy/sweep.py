"""Trains the run of a seed under spikecheck, and says whether it was healthy and what was said of it."""

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
from .recipe import drawn

LEARNED = 0.9  # of the constant prediction's loss: below it, no constant and no chance of the last batches explains it
STARTS = 3.0  # times the constant prediction's: a cross-entropy above it begins with a readout of a wrong scale
LAST = 8  # an eighth of the run, over which its last loss is averaged
DOUBT = 0.05  # of the upper bound of a rate
PROCESSES = 2


@dataclass(frozen=True)
class Alarm:
    """A warning or an error, "live" or in the "report" at the end."""

    check: str
    severity: str
    when: str
    text: str


@dataclass(frozen=True)
class Outcome:
    """What became of one seed.

    Attributes:
        constant: the loss of the best constant prediction.
        first, last: the first loss, and the mean of the last eighth.
        raised: what the script raised, "" where nothing was.
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
        """Did it learn, from a sound start? The last losses are well below a constant prediction's and the first."""
        sound = self.words["aim"] != "classes" or self.first < STARTS * self.constant
        return sound and not self.raised and self.last < min(LEARNED * self.constant, self.first)


def watched(seed: int) -> Outcome:
    """Draw the run, train it with spikecheck attached, and keep what was said."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    recipe, start = drawn(seed), time.perf_counter()
    live: list[Finding] = []
    seen: list[Batch] = []
    raised = ""
    with spikecheck.attach(recipe.model, on_finding=live.append) as monitor:
        try:
            seen.extend(recipe.updates())
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raised = f"{type(error).__name__}: {error}".partition("\n")[0]
    losses = [float(recipe.plain(logits, labels)) for logits, labels in seen]  # later: a second loss would be seen
    said = [alarm(finding, "live") for finding in live if finding.severity > Severity.NOTE]
    said += [alarm(finding, "report") for finding in monitor.report().at_least(Severity.WARNING)]
    return Outcome(
        seed,
        recipe.words,
        recipe.constant,
        first=losses[0] if losses else math.nan,
        last=fmean(losses[-max(1, len(losses) // LAST) :]) if losses else math.nan,
        alarms=tuple(said),
        seconds=time.perf_counter() - start,
        raised=raised,
    )


def alarm(finding: Finding, when: str) -> Alarm:
    """What is kept of a finding."""
    return Alarm(
        finding.check, finding.severity.label, when, f"{finding.message} ({finding.site.name}, {finding.when})"
    )


def outcomes(seeds: Iterable[int], processes: int = PROCESSES) -> Iterator[Outcome]:
    """Run the seeds, each in a fresh state of a process of its own pool, in their order."""
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(watched, seeds)


def upper_bound(alarmed: int, runs: int, doubt: float = DOUBT) -> float:
    """The largest rate at which `alarmed` or fewer of `runs` come about with a probability of `doubt`.

    Clopper and Pearson, Biometrika 26 (1934), one-sided; 1.0 without any run.
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
    """The probability of `alarmed` or fewer of `runs`, each at the same rate."""
    return math.fsum(math.comb(runs, k) * rate**k * (1 - rate) ** (runs - k) for k in range(alarmed + 1))
