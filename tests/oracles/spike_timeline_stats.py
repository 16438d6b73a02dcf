"""Firing rates over the run, forward pass by forward pass."""

from __future__ import annotations

from spikecheck.timelines import SpikeTimelineReading
from tests.oracles.raster import Captures
from tests.oracles.timeline import non_finite, of_rasters, points


def oracle(captures: Captures) -> tuple[SpikeTimelineReading, ...]:
    passes, timed = of_rasters(captures)
    return (SpikeTimelineReading(points(passes), non_finite(passes, timed=timed)),)
