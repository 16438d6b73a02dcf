"""Marks on the time axis of a curve: in which update a finding was first seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from spikecheck.finding import Finding
from spikecheck.report.html.canvas import ALERT, CARD

SHOWN = 2  # ids at one place
NEAR = 0.06  # of the axis: marks that are closer share a label
CHARACTER, ROW = 6.0, 11  # width of a character of a label, and height of a row of labels, in units


@dataclass(frozen=True)
class Mark:
    """A finding and the update in which it was first seen."""

    update: int
    check: str


def marks_of(findings: Iterable[Finding]) -> tuple[Mark, ...]:
    """Return the marks of findings of a run by update, in one update in their order; a file does not say when."""
    marks = (
        Mark(finding.intervals[0].first if finding.intervals else finding.when.update, finding.check)
        for finding in findings
        if not finding.when.stored
    )
    return tuple(sorted(dict.fromkeys(marks), key=lambda mark: mark.update))


def in_words(marks: Sequence[Mark]) -> str:
    """Return what the marks say, for a screen reader."""
    return "".join(f"; {mark.check} first seen at update {mark.update:,}" for mark in marks)


def draw_marks(axes: Any, marks: Sequence[Mark]) -> None:
    """Draw a triangle at the update of each finding, with the ids of the checks above it."""
    if not marks:
        return
    low, high = axes.get_xlim()
    low, high = min(low, marks[0].update), max(high, marks[-1].update)
    axes.set_xlim(low, high)
    groups: list[list[Mark]] = []
    for mark in marks:
        if groups and mark.update - groups[-1][0].update <= NEAR * (high - low):
            groups[-1].append(mark)
        else:
            groups.append([mark])
    across, unit = axes.get_xaxis_transform(), axes.bbox.width / ((high - low) or 1)
    rows: list[list[tuple[float, float]]] = []  # from where to where each has labels
    for group in groups:
        at, ids = group[0].update, list(dict.fromkeys(mark.check for mark in group))
        text = " ".join(ids[:SHOWN]) + (f" +{len(ids) - SHOWN}" if len(ids) > SHOWN else "")
        axes.plot([at, at], [0, 1], color=ALERT, linewidth=0.8, linestyle=(0, (1, 2)), transform=across)
        axes.plot([at], [0], "^", color=ALERT, markersize=6, transform=across, clip_on=False)
        place, width, right = (at - low) * unit, CHARACTER * len(text), 2 * at > low + high
        side, shift, begin = ("right", -4, place - width) if right else ("left", 4, place)
        row = free_row(rows, begin, begin + width)
        axes.annotate(text, (at, 0), xycoords=across, ha=side, va="bottom",
                      xytext=(shift, 3 + ROW * row), textcoords="offset points", color=ALERT, size=9.5,
                      bbox={"facecolor": CARD, "linewidth": 0, "pad": 1})  # fmt: skip


def free_row(rows: list[list[tuple[float, float]]], begin: float, end: float) -> int:
    """Take the place from `begin` to `end` in the lowest row where it is free, and return its number."""
    for number, taken in enumerate(rows):
        if all(end <= first or last <= begin for first, last in taken):
            taken.append((begin, end))
            return number
    rows.append([(begin, end)])
    return len(rows) - 1
