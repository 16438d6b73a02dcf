"""What treatments did to copies of a network, in plain values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from spikecheck.number_format import number, percentage

LEAST_P = 0.001  # what is less is not written out
MAX_P = 0.01  # judgment call: the error probability of each claim, of treatments and of experiments


class Verdict(Enum):
    """What came of the treatments as a whole."""

    HEALTHY = "healthy"  # nothing to heal
    CURED = "cured"  # a treatment is proved
    IMPROVED = "improved"  # a treatment is proved, and leaves the network behind a linear map of the input
    DATA = "data"  # the fault is in the data
    HIDDEN = "hidden"  # what makes it learn hides a symptom, or helps any network
    NOT_CURED = "not cured"


@dataclass(frozen=True, slots=True)
class CopyResult:
    """How a copy did: updates, loss at the beginning and at the end, held-out accuracy, and the checks that fired.

    `symptoms` is None where no monitor watched it.
    """

    updates: int
    first_loss: float | None
    last_loss: float | None
    accuracy: float | None
    symptoms: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class TreatmentRow:
    """One treatment, or several together, of a copy.

    Attributes:
        name: joined by " + " where there are several.
        role: "removes a cause" and the like.
        named_by: the findings that propose it; empty where it was tried without one.
        outcome, reason: how the trial ended.
        proved: whether all three claims hold.
        p_learns, p_beats, p_lasts: their error probabilities; None where a claim was not tested.
        copy: how the treated copy did; None where it was not trained.
        patch: the change as code for the script.
        seconds: what it cost.
    """

    name: str
    role: str
    named_by: tuple[str, ...]
    outcome: str
    reason: str = ""
    proved: bool = False
    p_learns: float | None = None
    p_beats: float | None = None
    p_lasts: float | None = None
    copy: CopyResult | None = None
    patch: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Healing:
    """What the treatments came to; the smallest proved set is the first row."""

    verdict: Verdict
    text: str
    untreated: CopyResult | None = None
    rows: tuple[TreatmentRow, ...] = ()
    seconds: float = 0.0

    @property
    def cure(self) -> TreatmentRow | None:
        """The first proved treatment, where one removes a cause."""
        return self.rows[0] if self.verdict is Verdict.CURED else None


def healing_dict(healing: Healing) -> dict[str, Any]:
    """Return what the treatments came to, as JSON has it."""
    untreated = None if healing.untreated is None else copy_dict(healing.untreated)
    rows = [treatment_dict(row) for row in healing.rows]
    seconds = round(healing.seconds, 3)
    return {
        "verdict": healing.verdict.value,
        "text": healing.text,
        "untreated": untreated,
        "treatments": rows,
        "seconds": seconds,
    }


def treatment_dict(row: TreatmentRow) -> dict[str, Any]:
    """Return a treatment as JSON has it."""
    copy = None if row.copy is None else copy_dict(row.copy)
    return {**asdict(row), "named_by": list(row.named_by), "copy": copy, "seconds": round(row.seconds, 3)}


def copy_dict(copy: CopyResult) -> dict[str, Any]:
    """Return how a copy did, as JSON has it; numbers that are not finite are written as texts."""
    losses = {name: finite(getattr(copy, name)) for name in ("first_loss", "last_loss")}
    return {**asdict(copy), **losses, "symptoms": None if copy.symptoms is None else list(copy.symptoms)}


def finite(value: float | None) -> float | str | None:
    """Return a number, or the text of one that JSON has not."""
    return value if value is None or math.isfinite(value) else str(value)


def treatment_result(row: TreatmentRow) -> str:
    """Return what came of a treatment: each claim that holds, or why it was not proved."""
    if row.proved:
        p = max(probabilities(row))
        return f"proved, {row.role} (p {f'= {number(p, 2)}' if p >= LEAST_P else f'< {LEAST_P}'})"
    if row.outcome != "trained":
        return f"{row.outcome}: {row.reason}" if row.reason else row.outcome
    claims = ("learns no better than the most frequent class", "does not beat the untreated copy", "does not last")
    known = zip(claims, (row.p_learns, row.p_beats, row.p_lasts), strict=True)
    failed = [claim for claim, p in known if p is not None and p >= MAX_P]
    return f"not proved: {failed[0]}" if failed else f"not proved: {row.reason or 'no time was left'}"


def probabilities(row: TreatmentRow) -> list[float]:
    """Return the error probabilities that are known."""
    return [p for p in (row.p_learns, row.p_beats, row.p_lasts) if p is not None]


def copy_cells(copy: CopyResult) -> tuple[str, str, str]:
    """Return loss, accuracy and symptoms of a copy."""
    first, last = copy.first_loss, copy.last_loss
    loss = "-" if first is None or last is None else f"{number(first)} -> {number(last)}"
    accuracy = "-" if copy.accuracy is None else percentage(copy.accuracy)
    symptoms = "-" if copy.symptoms is None else ", ".join(copy.symptoms) or "none"
    return loss, accuracy, symptoms
