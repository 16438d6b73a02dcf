"""Readings of the whole run: a quantity in intervals of updates, and where it first was not finite."""

from __future__ import annotations

from dataclasses import dataclass

from spikecheck.site import NonFinite


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

    @property
    def silent_since(self) -> tuple[int, int] | None:
        """Between which updates the layer fell silent: its last with a spike, the first after it; None if it fires.

        (0, 0) where it never fired.
        """
        fired = [index for index, point in enumerate(self.points) if point.mean]
        if not self.points or self.points[-1].mean or self.points[-1].mean is None:
            return None
        if not fired:
            return (0, 0)
        return (self.points[fired[-1]].update, self.points[fired[-1] + 1].last_update)


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
