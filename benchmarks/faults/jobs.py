"""Run many cases, two at a time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .case import Case
from .verdict import Outcome, check_of

PROCESSES = 2


@dataclass(frozen=True)
class Job:
    """One script to run: a case by name, from the benchmark or from a folder."""

    name: str
    broken: bool
    folder: Path | None = None


@dataclass(frozen=True)
class Result:
    """A case with the outcome of its script, and of the version without the fault if that was run."""

    case: Case
    outcome: Outcome
    twin: Outcome | None = None

    @property
    def detected(self) -> bool:
        """Return whether a warning, an error or a root cause reports the cause."""
        return self.outcome.findings.include(self.case.checks)

    @property
    def noted(self) -> bool:
        """Return whether a note names the experiment that can confirm the cause."""
        return any(check_of(note) in self.case.noted for note in self.outcome.findings.notes)

    @property
    def verdict(self) -> str:
        """Return how the report at the end mentions the cause: a network that learns all the same gets no warning."""
        findings, checks = self.outcome.findings, self.case.checks | self.case.noted
        if self.detected:
            return "yes"
        if any(check_of(note) in checks for note in findings.notes):
            return "a note"
        return "over" if any(check_of(past) in checks for past in findings.over) else "no"

    @property
    def rank(self) -> int | None:
        """Return the rank of the cause among the root causes."""
        return self.outcome.findings.rank(self.case.checks)

    @property
    def false_alarms(self) -> tuple[str, ...]:
        """Return the warnings and errors about the script without a fault."""
        healthy = self.outcome if self.case.cause is None else self.twin
        return healthy.findings.alarms if healthy is not None else ()


def cases(folder: Path | None) -> dict[str, Case]:
    """Return the cases of a folder, or those of the benchmark."""
    if folder is not None:
        from .folder import every as in_folder

        return in_folder(folder)
    from .cases import every

    return every()


def work(job: Job) -> Outcome:
    """Run one job in a process of the pool."""
    return cases(job.folder)[job.name].watch(job.broken)


def results(chosen: Sequence[Case], *, twins: bool, folder: Path | None) -> Iterator[Result]:
    """Run the cases; yield each result as soon as it is complete."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context) as pool:
        first = [pool.submit(work, Job(case.name, case.cause is not None, folder)) for case in chosen]
        other = {
            case.name: pool.submit(work, Job(case.name, False, folder)) for case in chosen if twins and case.has_twin
        }
        for case, outcome in zip(chosen, first, strict=True):
            twin = other.get(case.name)
            yield Result(case, outcome.result(), twin.result() if twin else None)
