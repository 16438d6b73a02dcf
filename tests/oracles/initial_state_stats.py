"""The initial state of each sequence."""

from __future__ import annotations

from math import fsum, sqrt

from spikecheck.readings import StateReading
from spikecheck.site import Capture
from tests.oracles.raster import Captures, high, number


def oracle(captures: Captures) -> tuple[StateReading, ...]:
    states = [[abs(float(v)) for value in c.values for v in number(value).flatten()] for c in captures]
    carried = sum(any(v != 0 for v in values) for values in states)
    return (StateReading(len(states), carried, high([v for values in states for v in values]), score(captures)),)


def score(captures: Captures) -> float | None:
    """Return the sum of the sequences' scores, relative to its standard deviation where they are unrelated."""
    compared = [one for one in map(of_sequence, captures) if one is not None]
    variance = fsum(variance for _, variance in compared)
    return fsum(score for score, _ in compared) / sqrt(variance) if compared else None


def of_sequence(capture: Capture) -> tuple[float, float] | None:
    """Return the sum of the products of each sample's state and current, relative to that of all pairs."""
    if not capture.step_tensors:
        return None
    current = number(capture.step_tensors[0])
    state = next((number(v) for v in capture.values if v.shape == current.shape), None)
    if state is None or current.ndim < 2 or len(current) < 4:
        return None
    pairs = [[fsum(a * b for a, b in zip(x, y, strict=True)) for y in rows(current)] for x in rows(state)]
    size = sqrt(fsum(product**2 for row in pairs for product in row))
    own = fsum(pairs[n][n] for n in range(len(pairs)))
    return (own / size, 1 / (len(pairs) - 1)) if size else None


def rows(x) -> list[list[float]]:
    """Return the rows less their mean."""
    flat = x.reshape(len(x), -1).tolist()
    means = [fsum(column) / len(flat) for column in zip(*flat, strict=True)]
    return [[value - mean for value, mean in zip(row, means, strict=True)] for row in flat]
