"""A timeline as a line of blocks, as many as a column of a table has room for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from spikecheck.timelines import TimelinePoint

WIDTH = 8  # blocks
ZERO, LEVELS = "▁", "▂▃▄▅▆▇█"  # the lowest block is exactly 0, so that a layer that still fires never looks silent


def sparkline(points: Sequence[TimelinePoint], width: int = WIDTH) -> str:
    """Return the means as blocks, relative to the largest; a dot where none is known. Neighbors share a block."""
    shown = min(width, len(points))
    cuts = [index * len(points) // shown for index in range(shown + 1)] if shown else [0]
    values = [mean(points[begin:end]) for begin, end in pairwise(cuts)]
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    return "".join("·" if value is None else block(value, largest) for value in values)


def mean(points: Sequence[TimelinePoint]) -> float | None:
    """Return the mean over the forward passes of several points; None where none is known."""
    known = [(point.mean, point.passes) for point in points if point.mean is not None]
    passes = sum(number for _, number in known)
    return sum(value * number for value, number in known) / passes if passes else None


def block(value: float, largest: float) -> str:
    """Return the block for a value."""
    if not value or not largest:
        return ZERO
    return LEVELS[min(len(LEVELS) - 1, int(abs(value) / largest * len(LEVELS)))]
