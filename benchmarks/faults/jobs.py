"""Runs many cases, two at a time."""

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
    """One script to run: a case by its name, from the benchmark's own cases or from a folder."""

    name: str
    broken: bool
    folder: Path | None = None


@dataclass(frozen=True)
class Result:
    """A case with what became of its script, and of the healthy twin where that was asked for."""

    case: Case
    outcome: Outcome
    twin: Outcome | None = None

    @property
    def found(self) -> bool:
        """Does a warning, an error or a root cause name the cause?"""
        return self.outcome.said.found(self.case.checks)

    @property
    def noted(self) -> bool:
        """Does a note name the experiment that would tell what watching cannot?"""
        return any(check_of(note) in self.case.noted for note in self.outcome.said.notes)

    @property
    def rank(self) -> int | None:
        """The place of the cause among the root causes."""
        return self.outcome.said.rank(self.case.checks)

    @property
    def false_alarms(self) -> tuple[str, ...]:
        """What was said of a script without a mistake."""
        right = self.outcome if self.case.cause is None else self.twin
        return right.said.alarms if right is not None else ()


def cases(folder: Path | None) -> dict[str, Case]:
    """The cases of a folder, or the benchmark's own."""
    if folder is not None:
        from .folder import every as in_folder

        return in_folder(folder)
    from .cases import every

    return every()


def work(job: Job) -> Outcome:
    """Run one job; called in a process of the pool."""
    return cases(job.folder)[job.name].watch(job.broken)


def results(chosen: Sequence[Case], *, twins: bool, folder: Path | None) -> Iterator[Result]:
    """Run the cases, and give each as soon as it and its twin are done."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context) as pool:
        first = [pool.submit(work, Job(case.name, case.cause is not None, folder)) for case in chosen]
        other = {
            case.name: pool.submit(work, Job(case.name, False, folder)) for case in chosen if twins and case.has_twin
        }
        for case, outcome in zip(chosen, first, strict=True):
            twin = other.get(case.name)
            yield Result(case, outcome.result(), twin.result() if twin else None)
