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
    return tuple(
        GradientAtStepReading(len(captures), sum(one), sum(other)) for one, other in zip(removed, grown, strict=True)
    )


def norm(gradient: Tensor) -> float:
    return math.sqrt(sum(value * value for value in number(gradient).flatten().tolist()))


def has_gradient(gradient: Tensor) -> bool:
    """Return whether any entry is not 0."""
    return any(value != 0 for value in number(gradient).flatten().tolist())
