"""What each faulty script of the truth benchmark shows: losses, scores, and the checks that reported something."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.case import Case
from benchmarks.faults.causes import CHECKS
from benchmarks.faults.jobs import Result

FILE = Path(__file__).with_name("runs.json")


@dataclass(frozen=True)
class Run:
    """A faulty script of the benchmark and what was observed of it.

    Attributes:
        case: the script's name.
        about: its fault in one line.
        cause: the check whose page explains the fault; empty if no check reports it.
        first: its first loss.
        last: the mean of its last losses.
        score: its score on new data.
        healthy: the score of the script without the fault.
        observed: the ids of all checks with a finding, also one that is over.
    """

    case: str
    about: str
    cause: str
    first: float
    last: float
    score: float
    healthy: float
    observed: frozenset[str]

    @classmethod
    def of(cls, result: Result) -> Run:
        """Return what a result of the benchmark shows."""
        outcome, findings = result.outcome, result.outcome.findings
        named = [*findings.causes, *findings.alarms, *findings.notes, *findings.over]
        observed = frozenset(id_ for text in named for id_ in re.findall(r"^SPK\d+", text))
        training, twin = outcome.training, result.twin
        healthy = math.nan if twin is None else twin.training.score
        cause = explaining(result.case, observed)
        return cls(
            result.case.name, result.case.about, cause, training.first, training.last, training.score, healthy, observed
        )


def explaining(case: Case, observed: frozenset[str]) -> str:
    """Return the check whose page explains the fault: the first that reported it, or else that would."""
    checks = CHECKS[case.cause] if case.cause else ()
    return next((check for check in checks if check in observed), checks[0] if checks else "")


def write(runs: list[Run]) -> None:
    """Store what was observed; a number that is not finite is null."""
    rows = [
        {
            **vars(run),
            **{name: number(getattr(run, name)) for name in ("first", "last", "score", "healthy")},
            "observed": sorted(run.observed),
        }
        for run in runs
    ]
    FILE.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")


def number(value: float) -> float | None:
    """Return three significant digits, and None for what is not finite."""
    return float(f"{value:.3g}") if math.isfinite(value) else None


def read() -> list[Run]:
    """Return what was observed when the benchmark last ran."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    for row in rows:
        row.update({name: math.nan for name in ("first", "last", "score", "healthy") if row[name] is None})
        row["observed"] = frozenset(row["observed"])
    return [Run(**row) for row in rows]
