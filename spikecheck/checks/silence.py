"""Whether a layer is silent now, and since when, by its timeline, which misses no forward pass."""

from __future__ import annotations

from spikecheck.checks.base import Readings
from spikecheck.checks.learning import losses_without_learning
from spikecheck.readings import SpikeReading
from spikecheck.site import Moment
from spikecheck.timelines import SpikeTimelineReading

RECENT = 0.75  # judgment call: the last quarter of the updates is recent
MIN_MISSING_SPIKES = 100.0  # derived: independent spikes are all missing by chance in one of exp(100) cases
MAX_SPIKES_PER_SAMPLE = 0.1  # judgment call: with fewer spikes of a neuron, most samples leave no trace in the layer


def rate_now(readings: Readings) -> float | None:
    """Return the firing rate in the latest updates, as the table of a report shows it."""
    timeline, spikes = readings.get(SpikeTimelineReading), readings.get(SpikeReading)
    latest = None if timeline is None else timeline.now
    return latest.mean if latest is not None else None if spikes is None else spikes.rate


def highest_recent_rate(readings: Readings) -> float | None:
    """Return the highest firing rate of an interval in the last quarter of the updates.

    The recent forward passes that are measured in full may reach back to the start of a short run.
    """
    timeline = readings.get(SpikeTimelineReading)
    points = () if timeline is None else timeline.points
    recent = [one.mean for one in points if one.last_update >= RECENT * points[-1].last_update and one.mean is not None]
    return max(recent, default=rate_now(readings))


def wakes_up(readings: Readings, min_alive_rate: float) -> bool:
    """Return whether a layer fires at this rate in the latest updates, whatever the forward passes before them say."""
    rate = rate_now(readings)
    return rate is not None and rate >= min_alive_rate


def quiet_since(readings: Readings, min_alive_rate: float) -> Moment | None:
    """Return since when a layer that fired at first fires at less than this rate; None where it was so from the start.

    That is where the first interval after the last one with such a rate begins.
    """
    timeline = readings.get(SpikeTimelineReading)
    known = [] if timeline is None else [point for point in timeline.points if point.mean is not None]
    alive = [index for index, point in enumerate(known) if (point.mean or 0.0) >= min_alive_rate]
    return Moment(known[alive[-1] + 1].update) if alive and alive[-1] + 1 < len(known) else None


def is_nearly_silent(readings: Readings, min_alive_rate: float) -> bool:
    """Return whether single spikes are all that a layer emits, in a network that learns nothing."""
    spikes, most = readings.get(SpikeReading), highest_recent_rate(readings)
    if spikes is None or spikes.rate is None or most is None or spikes.non_finite.count:
        return False
    steps = spikes.time_steps / max(1, spikes.forward_passes)
    few = 0 <= most < min_alive_rate and most * steps < MAX_SPIKES_PER_SAMPLE
    return few and losses_without_learning(readings) is not None


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
