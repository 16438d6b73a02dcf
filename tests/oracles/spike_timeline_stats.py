"""Firing rates over the run, forward pass by forward pass."""

from __future__ import annotations

from spikecheck.timelines import SpikeTimelineReading, TimeSteps
from tests.oracles.raster import Captures, raster
from tests.oracles.timeline import non_finite, of_rasters, points


def oracle(captures: Captures) -> tuple[SpikeTimelineReading, ...]:
    passes, timed = of_rasters(captures)
    return (SpikeTimelineReading(points(passes), non_finite(passes, timed=timed), time_steps(captures)),)


def time_steps(captures: Captures) -> TimeSteps:
    """Return how many time steps the forward passes have; the axis is the last one of those that are known."""
    steps = [len(raster(capture)) for capture in captures]
    known = [one for one in captures if not one.axes_in_doubt]
    axes = [one.layout.time for one in known if not one.stacked and one.layout.time is not None]
    return TimeSteps(min(steps), max(steps), max(axes, default=None), bool(known))
