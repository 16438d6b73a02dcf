"""When a layer that fired went silent, by its timeline, which misses no forward pass."""

from __future__ import annotations

from spikecheck.checks.base import Readings
from spikecheck.readings import SpikeReading
from spikecheck.timelines import SpikeTimelineReading

MIN_MISSING_SPIKES = 100.0  # derived: independent spikes are all missing by chance in one of exp(100) cases


def went_silent(readings: Readings, min_forward_passes: int) -> tuple[int, int] | None:
    """Return between which updates a layer that fired before went silent; None if it fires, or never did.

    It is silent if it had no spike in this many forward passes, in which it would have had MIN_MISSING_SPIKES at its
    earlier rate.
    """
    timeline, spikes = readings.get(SpikeTimelineReading), readings.get(SpikeReading)
    since = None if timeline is None else timeline.silent_since
    if timeline is None or spikes is None or not spikes.forward_passes or since in (None, (0, 0)):
        return None
    silent = sum(point.passes for point in timeline.points if since is not None and point.update >= since[1])
    before = [(point.mean or 0.0, point.passes) for point in timeline.points if since and point.update < since[1]]
    rate = sum(mean * passes for mean, passes in before) / sum(passes for _, passes in before)
    missing = rate * spikes.elements / spikes.forward_passes * silent
    return since if silent >= min_forward_passes and missing >= MIN_MISSING_SPIKES else None
