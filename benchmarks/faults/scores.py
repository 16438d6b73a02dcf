"""Summary figures of the results, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from spikecheck.number_format import number

from ..healthy.sweep import upper_bound
from .jobs import Result
from .verdict import Outcome

TAIL = 0.025  # error probability at each end of a 95% confidence interval


@dataclass(frozen=True)
class Score:
    """Counts over many results; `beyond` are the faults that cannot be detected by watching."""

    faults: int
    detected: int
    first: int
    clean_runs: int
    alarmed: int
    beyond: int
    noted: int

    @classmethod
    def of(cls, results: Sequence[Result]) -> Score:
        """Count the results."""
        broken = [result for result in results if result.case.cause is not None]
        faults = [result for result in broken if not result.case.noted]
        beyond = [result for result in broken if result.case.noted]
        clean = [result for result in results if result.case.cause is None or result.twin is not None]
        return cls(
            faults=len(faults),
            detected=sum(result.detected for result in faults),
            first=sum(result.rank == 1 for result in faults),
            clean_runs=len(clean),
            alarmed=sum(bool(result.false_alarms) for result in clean),
            beyond=len(beyond),
            noted=sum(result.noted for result in beyond),
        )

    def __str__(self) -> str:
        return (
            f"recall {share(self.detected, self.faults)}, first root cause correct {share(self.first, self.faults)}, "
            f"false alarms on healthy scripts {share(self.alarmed, self.clean_runs)}; of the faults that "
            f"watching cannot detect, a note names the experiment for {share(self.noted, self.beyond)}"
        )


def share(part: int, whole: int) -> str:
    """Format a part of a whole with its percentage."""
    return f"{part} of {whole}" + (f" ({part / whole:.0%})" if whole else "")


def with_interval(part: int, whole: int) -> str:
    """Format a part of a whole with its 95% confidence interval of Clopper and Pearson."""
    if not whole:
        return "none"
    low, high = 1 - upper_bound(whole - part, whole, TAIL), upper_bound(part, whole, TAIL)
    return f"{part} of {whole} ({part / whole:.0%}; {low:.0%} to {high:.0%})"


def table() -> Table:
    """Return an empty table with its columns."""
    shown = Table("case", "cause", "found", "rank", "first root cause", "loss", "score", "false alarms")
    shown.title = "spikecheck, without any hint about the case"
    return shown


def row(result: Result) -> tuple[str | Text, ...]:
    """Return one result as a row of the table."""
    case, twin = result.case, result.twin
    faulty = case.cause is not None
    return (
        case.name,
        case.cause or "healthy",
        verdict(result) if faulty else "",
        str(result.rank or "–") if faulty else "",
        next(iter(result.outcome.findings.causes), ""),
        losses(result.outcome),
        scores(result.outcome, twin),
        Text(", ".join(sorted(set(result.false_alarms))), "red"),
    )


def verdict(result: Result) -> Text:
    """Return whether the cause was reported, or how else it is mentioned."""
    return Text(result.verdict, {"yes": "green", "no": "red"}.get(result.verdict, "yellow"))


def losses(outcome: Outcome) -> str:
    """Format the first and the last loss, and whether the script raised."""
    training = outcome.training
    return f"{number(training.first)} to {number(training.last)}" + (" (raises)" if training.raised else "")


def scores(outcome: Outcome, twin: Outcome | None) -> str:
    """Format the score, with that of the version without the fault in parentheses."""
    return f"{outcome.training.score:.2f}" + (f" ({twin.training.score:.2f})" if twin else "")
