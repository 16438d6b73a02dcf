"""What the results come to, in figures and as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from .jobs import Result
from .verdict import Outcome


@dataclass(frozen=True)
class Score:
    """The figures over many results: of the faults that watching can know, and of those beyond it."""

    faults: int
    found: int
    first: int
    clean_runs: int
    alarmed: int
    beyond: int
    noted: int

    @classmethod
    def of(cls, results: Sequence[Result]) -> Score:
        """Count."""
        broken = [result for result in results if result.case.cause is not None]
        faults = [result for result in broken if not result.case.noted]
        beyond = [result for result in broken if result.case.noted]
        clean = [result for result in results if result.case.cause is None or result.twin is not None]
        return cls(
            faults=len(faults),
            found=sum(result.found for result in faults),
            first=sum(result.rank == 1 for result in faults),
            clean_runs=len(clean),
            alarmed=sum(bool(result.false_alarms) for result in clean),
            beyond=len(beyond),
            noted=sum(result.noted for result in beyond),
        )

    def __str__(self) -> str:
        return (
            f"recall {share(self.found, self.faults)}, first root cause right {share(self.first, self.faults)}, "
            f"scripts without a mistake that get an alarm {share(self.alarmed, self.clean_runs)}; of what watching "
            f"cannot know, a note names the experiment in {share(self.noted, self.beyond)}"
        )


def share(part: int, whole: int) -> str:
    """A part of a whole, with its percentage."""
    return f"{part} of {whole}" + (f" ({part / whole:.0%})" if whole else "")


def table() -> Table:
    """The head of the table."""
    shown = Table("case", "cause", "found", "rank", "first root cause", "loss", "score", "alarms on the healthy one")
    shown.title = "spikecheck, which knows nothing of the case"
    return shown


def row(result: Result) -> tuple[str | Text, ...]:
    """One result as a row of the table."""
    case, twin = result.case, result.twin
    faulty = case.cause is not None
    return (
        case.name,
        case.cause or "healthy",
        verdict(result) if faulty else "",
        str(result.rank or "–") if faulty else "",
        next(iter(result.outcome.said.causes), ""),
        losses(result.outcome),
        scores(result.outcome, twin),
        Text(", ".join(sorted(set(result.false_alarms))), "red"),
    )


def verdict(result: Result) -> Text:
    """Was the cause named, or, where watching cannot know it, the experiment that can?"""
    if result.found:
        return Text("yes", "green")
    return Text("a note", "yellow") if result.noted else Text("no", "red")


def losses(outcome: Outcome) -> str:
    """The first and the last loss, and what was raised."""
    training = outcome.training
    return f"{training.first:.3g} to {training.last:.3g}" + (" (raises)" if training.raised else "")


def scores(outcome: Outcome, twin: Outcome | None) -> str:
    """The score, and the twin's in brackets."""
    return f"{outcome.training.score:.2f}" + (f" ({twin.training.score:.2f})" if twin else "")
