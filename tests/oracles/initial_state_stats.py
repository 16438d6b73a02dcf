"""The initial state of each sequence."""

from __future__ import annotations

from spikecheck.readings import StateReading
from tests.oracles.raster import Captures, high, number


def oracle(captures: Captures) -> tuple[StateReading, ...]:
    states = [[abs(float(v)) for value in c.values for v in number(value).flatten()] for c in captures]
    carried = sum(any(v != 0 for v in values) for values in states)
    return (StateReading(len(states), carried, high([v for values in states for v in values])),)
