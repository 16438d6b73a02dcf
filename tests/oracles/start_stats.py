"""What each sequence began with."""

from __future__ import annotations

from spikecheck.readings import StateReading
from tests.oracles.raster import Captures, high, number


def oracle(captures: Captures) -> tuple[StateReading, ...]:
    begun = [[abs(float(v)) for value in c.values for v in number(value).flatten()] for c in captures]
    carried = sum(any(v != 0 for v in values) for values in begun)
    return (StateReading(len(begun), carried, high([v for values in begun for v in values])),)
