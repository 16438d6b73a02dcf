"""Timelines, pass by pass: the intervals from the latest update, and plain sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from spikecheck.readings import NonFinite
from spikecheck.site import Moment
from spikecheck.timelines import TimelinePoint
from tests.oracles.raster import Captures, high, raster, timed


class Pass(NamedTuple):
    """One forward pass or update: a sum per time step."""

    update: int
    sums: list[float]
    elements: int
    maxima: list[float]
    silent: int = 0
    neurons: int = 0


def width(passes: Sequence[Pass]) -> int:
    """Return the smallest power of 2 with which 64 intervals reach the latest update."""
    updates = 1
    while max(one.update for one in passes) >= 64 * updates:
        updates *= 2
    return updates


def points(passes: Sequence[Pass]) -> tuple[TimelinePoint, ...]:
    """Return the points of a timeline."""
    updates, latest = width(passes), max(one.update for one in passes)
    starts = sorted({one.update // updates * updates for one in passes})
    return tuple(
        point([one for one in passes if start <= one.update < start + updates], start, updates, latest)
        for start in starts
    )


def point(passes: Sequence[Pass], start: int, updates: int, latest: int) -> TimelinePoint:
    """Return one point."""
    sums = [value for one in passes for value in one.sums]
    finite = [value for value in sums if math.isfinite(value)]
    elements, neurons = sum(one.elements for one in passes), sum(one.neurons for one in passes)
    maxima = numbers([value for one in passes for value in one.maxima])
    return TimelinePoint(
        update=start,
        last_update=min(start + updates - 1, latest),
        passes=len(passes),
        mean=sum(finite) * len(sums) / len(finite) / elements if elements and finite else None,
        maximum=max((value for value in maxima if value > -math.inf), default=None),
        silent=sum(one.silent for one in passes) / neurons if neurons else None,
    )


def numbers(values: Sequence[float]) -> list[float]:
    """Return the values that are not NaN."""
    return [value for value in values if not math.isnan(value)]


def non_finite(passes: Sequence[Pass], *, timed: bool) -> NonFinite:
    """Count the time steps with a sum that is not finite, and locate the first."""
    steps = [(one.update, step, value) for one in passes for step, value in enumerate(one.sums)]
    bad = [(update, step, value) for update, step, value in steps if not math.isfinite(value)]
    if not bad:
        return NonFinite(0, len(steps))
    update, step, _ = min(bad, key=lambda one: one[:2])
    same = [value for one in bad if one[:2] == (update, step) for value in one[2:]]
    return NonFinite(
        len(bad), len(steps), Moment(update, step if timed else None), kind(same), max(update for update, _, _ in bad)
    )


def kind(values: Sequence[float]) -> str:
    """Return what the sums of one moment are; of several forward passes, NaN comes first, then infinity."""
    names = ["NaN" if math.isnan(v) else "infinity" if v > 0 else "-infinity" for v in values]
    return min(names, key=["NaN", "infinity", "-infinity"].index)


def of_rasters(captures: Captures) -> tuple[list[Pass], bool]:
    """Return what the captures of a place show, and whether the time axis is known in all of them."""
    passes = []
    for capture in captures:
        x = raster(capture)
        sums = [float(sum(step.flatten().tolist())) for step in x]
        maxima = [high(step.flatten().tolist()) for step in x if step.size]
        silent = sum(sum(x[:, :, n].flatten().tolist()) == 0 for n in range(x.shape[2]))
        passes.append(Pass(capture.update, sums, x.size, maxima, silent, x.shape[2]))
    return passes, timed(captures)
