"""Turn the timelines of a run into points: what the updates since the previous point showed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from spikecheck.checks.base import Observations
from spikecheck.sinks.base import RunPoint
from spikecheck.site import SiteKind
from spikecheck.timelines import (
    LossTimelineReading,
    OptimizerTimelineReading,
    SpikeTimelineReading,
    TimelinePoint,
    TimelineReading,
)

Value = Callable[[TimelinePoint], "float | None"]


def mean(point: TimelinePoint) -> float | None:
    """Return the mean over an interval, None if nothing in it is finite: the others are None where they are unknown."""
    return point.mean


#: The quantities of a point, each with its place in the run, and how it is read from an interval of a timeline.
QUANTITIES: dict[str, tuple[SiteKind, type[TimelineReading], Value]] = {
    "losses": (SiteKind.LOSS, LossTimelineReading, mean),
    "gradient_norms": (SiteKind.OPTIMIZER, OptimizerTimelineReading, mean),
    "update_sizes": (SiteKind.OPTIMIZER, OptimizerTimelineReading, lambda point: getattr(point, "update_size", None)),
    "learning_rates": (
        SiteKind.OPTIMIZER,
        OptimizerTimelineReading,
        lambda point: getattr(point, "learning_rate", None),
    ),
    "firing_rates": (SiteKind.SPIKES, SpikeTimelineReading, mean),
    "silent_shares": (SiteKind.SPIKES, SpikeTimelineReading, lambda point: point.silent),
}


@dataclass
class PointSeries:
    """Remembers the timelines as the previous point saw them."""

    update: int = 0
    timelines: dict[tuple[str, str], tuple[TimelinePoint, ...]] = field(default_factory=dict)

    def next(self, observations: Observations, seconds: float, first_update: int = 0) -> RunPoint:
        """Return the point for what was observed since the previous one; copies nothing from the device twice."""
        numbers: dict[str, dict[str, float | None]] = {name: {} for name in QUANTITIES}
        timelines = dict(self.timelines)
        for site in observations.sites:
            for name, (kind, reading, value) in QUANTITIES.items():
                timeline = observations.readings(site).get(reading) if site.kind is kind else None
                if timeline is None:
                    continue
                key = (name, site.name)
                passes, number = newest(self.timelines.get(key, ()), timeline.points, value)
                if passes and (number is not None or value is mean):
                    numbers[name][site.name] = number
                timelines[key] = timeline.points
        update, since = observations.run.update, self.update
        self.update, self.timelines = update, timelines
        return RunPoint(first_update + update, first_update + since, round(seconds, 3), **numbers)


def newest(
    before: Iterable[TimelinePoint], now: tuple[TimelinePoint, ...], value: Callable[[TimelinePoint], float | None]
) -> tuple[int, float | None]:
    """Return how many passes came between two readings of a timeline, and the mean over these; None if not finite.

    An interval may have grown, or absorbed others: what it held before is subtracted.
    """
    earlier = tuple(before)
    first = max((point.update for point in now if earlier and point.update <= earlier[-1].update), default=0)
    passes = total = known = 0.0
    for sign, points in ((1, now), (-1, earlier)):
        for point in points:
            if point.update >= first:
                passes += sign * point.passes
                number = value(point)
                if number is not None:
                    total, known = total + sign * number * point.passes, known + sign * point.passes
    return int(passes), total / known if known > 0 else None
