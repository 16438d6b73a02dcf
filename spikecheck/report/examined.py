"""The part of a report that is about an examination: one row per experiment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class ExperimentOutcome(Enum):
    """What became of an experiment."""

    DONE = "done"
    NOT_APPLICABLE = "not applicable"
    LEFT_OUT = "left out"  # no time was left, or there was no reason to make it
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """One experiment: what was seen, or why nothing was; what it proves, what it cannot tell, and what it took."""

    name: str
    outcome: ExperimentOutcome
    text: str
    seconds: float = 0.0
    proves: str = ""
    cannot_tell: str = ""


def experiment_dict(row: ExperimentRow) -> dict[str, Any]:
    """Return a row as JSON has it."""
    return {
        "name": row.name,
        "outcome": row.outcome.value,
        "text": row.text,
        "seconds": round(row.seconds, 3),
        "proves": row.proves,
        "cannot_tell": row.cannot_tell,
    }
