"""Readings of the whole run: a quantity in intervals of updates, and where it first was not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from spikecheck.site import NonFinite

MAX_POINTS = 64  # of a timeline: as many as a row of a table shows
P = TypeVar("P", bound="TimelinePoint")


def width_for(latest: int) -> int:
    """Return the number of updates in an interval, for the latest update of the run."""
    return 1 << (latest // MAX_POINTS).bit_length()


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """An interval of updates, and what was measured in it: in all forward passes, training and evaluation apart.

    `mean` is the firing rate, or the mean of the quantity; non-finite time steps are left out. `maximum` is the largest
    value. `silent` is the share of neurons without a spike in a forward pass, averaged over the forward passes.
    """

    update: int  # of the first forward pass that belongs to it: updates made before
    last_update: int
    passes: int
    mean: float | None
    maximum: float | None = None
    silent: float | None = None


@dataclass(frozen=True, slots=True)
class OptimizerPoint(TimelinePoint):
    """An interval of updates of one optimizer: `mean` and `maximum` are of the norm of all its gradients together.

    `update_size` is the norm of what an update adds to its parameters, relative to the norm of these: a mean over the
    updates that were compared, None where none was. `learning_rate` is a mean too, of the largest rate of any group.
    """

    update_size: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True, slots=True)
class TimeSteps:
    """How many time steps each forward pass has at a layer, and how the layer is given them.

    `axis` is the time axis of its output; None where each call is one step. `known` is False where one of the axes may
    be time and nothing tells which: neither the steps nor the neurons can be counted then.
    """

    fewest: int
    most: int
    axis: int | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class TimelineReading:
    """A quantity over the whole run, measured in every forward pass, in at most 64 intervals of updates.

    Where only what is not finite is of use, there are no points.
    """

    points: tuple[TimelinePoint, ...]
    non_finite: NonFinite

    @property
    def first(self) -> TimelinePoint | None:
        """The first interval."""
        return self.points[0] if self.points else None

    @property
    def now(self) -> TimelinePoint | None:
        """The latest interval."""
        return self.points[-1] if self.points else None


@dataclass(frozen=True, slots=True)
class SpikeTimelineReading(TimelineReading):
    """The spikes of a layer over the run: `mean` is the firing rate, `maximum` the most spikes in one time step."""

    time_steps: TimeSteps | None = None

    @property
    def silent_since(self) -> tuple[int, int] | None:
        """Between which updates the layer went silent: the last interval with a spike, and the first one after it.

        None if it fires.

        (0, 0) where it never fired.
        """
        fired = [index for index, point in enumerate(self.points) if point.mean]
        if not self.points or self.points[-1].mean or self.points[-1].mean is None:
            return None
        if not fired:
            return (0, 0)
        return (self.points[fired[-1]].update, self.points[fired[-1] + 1].update)


@dataclass(frozen=True, slots=True)
class EvaluationSpikeTimelineReading(SpikeTimelineReading):
    """The same in passes without gradients, of a run that trains."""


@dataclass(frozen=True, slots=True)
class InputTimelineReading(TimelineReading):
    """What was not finite in the input, in any forward pass; without points."""


@dataclass(frozen=True, slots=True)
class CurrentTimelineReading(TimelineReading):
    """What was not finite in the input current of a layer, in any forward pass; without points."""


@dataclass(frozen=True, slots=True)
class PotentialTimelineReading(TimelineReading):
    """What was not finite in the membrane potential of a layer, in any forward pass; without points."""


@dataclass(frozen=True, slots=True)
class LogitTimelineReading(TimelineReading):
    """What was not finite in the logits, in any update; without points."""


@dataclass(frozen=True, slots=True)
class LossTimelineReading(TimelineReading):
    """A loss over the run."""


@dataclass(frozen=True, slots=True)
class OptimizerTimelineReading(TimelineReading):
    """An optimizer over the run: the norm of its gradients, the size of its updates and its learning rate."""

    points: tuple[OptimizerPoint, ...]


def joined_points(points: Iterable[P]) -> tuple[P, ...]:
    """Return points in intervals of the width that their latest update asks for: those of one interval become one."""
    every = sorted(points, key=lambda point: point.update)
    latest = max((point.last_update for point in every), default=0)
    width, groups = width_for(latest), dict[int, list[P]]()
    for point in every:
        groups.setdefault(point.update // width * width, []).append(point)
    return tuple(joined_point(start, min(start + width - 1, latest), group) for start, group in groups.items())


def joined_point(update: int, last_update: int, points: Sequence[P]) -> P:
    """Return one point for several: means over their forward passes, and the largest value."""
    first = points[0]

    def mean(quantity: Callable[[P], float | None]) -> float | None:
        known = [(value, point.passes) for point in points if (value := quantity(point)) is not None]
        passes = sum(number for _, number in known)
        return sum(value * number for value, number in known) / passes if passes else None

    joined = replace(
        first,
        update=update,
        last_update=last_update,
        passes=sum(point.passes for point in points),
        mean=mean(lambda point: point.mean),
        maximum=max((point.maximum for point in points if point.maximum is not None), default=None),
        silent=mean(lambda point: point.silent),
    )
    if not isinstance(joined, OptimizerPoint):
        return joined
    size = mean(lambda point: getattr(point, "update_size", None))
    return replace(joined, update_size=size, learning_rate=mean(lambda point: getattr(point, "learning_rate", None)))
