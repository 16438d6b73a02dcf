"""Gradients removed before the update, parameter by parameter; an empty tensor means no gradient."""

from __future__ import annotations

import math

from torch import Tensor

from spikecheck.update_readings import GradientAtStepReading
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[GradientAtStepReading, ...]:
    count = len(captures[0].values) // 2
    removed = [
        [has_gradient(c.values[p]) and not has_gradient(c.values[p + count]) for c in captures] for p in range(count)
    ]
    grown = [[norm(c.values[p + count]) > 2 * norm(c.values[p]) for c in captures] for p in range(count)]
    left = [[norm(c.values[p]) for c in captures] for p in range(count)]
    used = [[norm(c.values[p + count]) for c in captures] for p in range(count)]
    shrunken = [[0 < 30 * b < a for a, b in zip(*both, strict=True)] for both in zip(left, used, strict=True)]
    means = [sum(norm for norm in one if math.isfinite(norm)) / len(captures) for one in left]
    rows = zip(removed, grown, shrunken, means, strict=True)
    return tuple(GradientAtStepReading(len(captures), sum(a), sum(b), sum(c), mean) for a, b, c, mean in rows)


def norm(gradient: Tensor) -> float:
    return math.sqrt(sum(value * value for value in number(gradient).flatten().tolist()))


def has_gradient(gradient: Tensor) -> bool:
    """Return whether any entry is not 0."""
    return any(value != 0 for value in number(gradient).flatten().tolist())
