"""What is searched, and how: the plain facts by which a resumed search is recognized as the same one."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from spikecheck.errors import SpikecheckError

DIGITS = 3  # of a value that is tried: as a person would write it


@dataclass(frozen=True)
class Plan:
    """A search for the values of one parameter that work.

    Attributes:
        parameter: the name of the parameter to vary.
        low: the smallest value.
        high: the largest one.
        updates: how many each value is trained for.
        seed: random seed of the weights, the same for every value.
        counts: the smallest and the largest number of spikes that an output neuron may emit for one sample: the
            largest count that is observed must lie between them. None where any count is allowed.
        subject: the model and its data, in words.
    """

    parameter: str
    low: float
    high: float
    updates: int
    seed: int = 0
    counts: tuple[float, float] | None = None
    subject: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise SpikecheckError(f"low={self.low!r} and high={self.high!r} are no range: low must be below high")
        if self.updates < 1:
            raise SpikecheckError(f"updates= must be 1 or more, got {self.updates!r}")
        if self.counts is not None and not self.counts[0] <= self.counts[1]:
            raise SpikecheckError(f"counts= takes the smallest and the largest count, got {self.counts!r}")

    @property
    def logarithmic(self) -> bool:
        """Whether values are spread by ratios: 0.1, 1, 10; a range that touches 0 is spread evenly."""
        return self.low > 0

    def position(self, value: float) -> float:
        """Return where a value lies in the range, from 0 to 1; outside of it for a value that the user named."""
        if not self.logarithmic:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return -math.inf
        return math.log(value / self.low) / math.log(self.high / self.low)

    def between(self, one: float, other: float) -> float:
        """Return the value in the middle, rounded as a person would write it."""
        middle = math.sqrt(one * other) if one > 0 and other > 0 and self.logarithmic else (one + other) / 2
        return float(f"{middle:.{DIGITS}g}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON can hold them."""
        return {**asdict(self), "counts": None if self.counts is None else list(self.counts)}
