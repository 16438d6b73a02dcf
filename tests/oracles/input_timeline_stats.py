"""What is not finite in the values, time step by time step."""

from __future__ import annotations

from spikecheck.timelines import InputTimelineReading
from tests.oracles.raster import Captures
from tests.oracles.timeline import non_finite, of_rasters


def oracle(captures: Captures) -> tuple[InputTimelineReading, ...]:
    passes, timed = of_rasters(captures)
    return (InputTimelineReading((), non_finite(passes, timed=timed)),)
