"""What forward passes, updates and intervals of them hold, as far as it is known without reading values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from spikecheck.site import Capture
from spikecheck.timelines import TimeSteps


@dataclass(frozen=True, slots=True)
class Pass:
    """What one forward pass or update shows; all but the tensors is known without reading values."""

    update: int
    sums: Tensor  # [time]
    elements: int = 1
    extra_of: int = 0  # what the second quantity is a mean over: neurons, or updates
    maxima: Tensor | None = None  # [time]
    extra: Tensor | None = None  # a second quantity: silent neurons, or the size of an update
    rate: float | None = None  # the learning rate
    passes: int = 1


@dataclass(frozen=True)
class Interval:
    """What an interval of updates holds that is known without reading values."""

    start: int
    passes: int
    elements: int
    steps: int
    extra_of: int
    rates: int = 0
    rate: float = 0.0  # the sum of the learning rates

    @classmethod
    def of(cls, one: Pass) -> Interval:
        """Return what one forward pass or update holds."""
        known = one.rate is not None
        steps = one.sums.shape[0]
        return cls(one.update, one.passes, one.elements, steps, one.extra_of, int(known), one.rate or 0.0)

    @classmethod
    def joined(cls, start: int, parts: Sequence[Interval]) -> Interval:
        """Return what parts hold together, as the interval that begins there."""
        passes, elements, steps, extra_of, rates, rate = map(sum, zip(*[part.amounts for part in parts], strict=True))
        return cls(start, int(passes), int(elements), int(steps), int(extra_of), int(rates), rate)

    @property
    def amounts(self) -> tuple[float, ...]:
        """What adds up."""
        return self.passes, self.elements, self.steps, self.extra_of, self.rates, self.rate


CALLS, IN_DOUBT = -1, -2  # instead of the axis: each call is a time step, or nothing tells


@dataclass(frozen=True)
class Steps:
    """The fewest and the most time steps of a forward pass, and along which axes."""

    fewest: int
    most: int
    axes: frozenset[int]

    @classmethod
    def of(cls, capture: Capture[Tensor], steps: int) -> Steps:
        """Return those of one forward pass."""
        axis = CALLS if capture.stacked or capture.layout.time is None else capture.layout.time
        return cls(steps, steps, frozenset([IN_DOUBT if capture.axes_in_doubt else axis]))

    def __add__(self, other: Steps) -> Steps:
        return Steps(min(self.fewest, other.fewest), max(self.most, other.most), self.axes | other.axes)

    def reading(self) -> TimeSteps:
        """Return the plain numbers; a layer with axes in doubt that are known later is known."""
        known = self.axes - {IN_DOUBT}
        axis = max(known, default=CALLS)
        return TimeSteps(self.fewest, self.most, None if axis == CALLS else axis, bool(known))


def merge_steps(a: Steps | None, b: Steps | None) -> Steps | None:
    """Merge rule of the time steps."""
    return a + b if a is not None and b is not None else a or b
