"""Gradients removed before the update, parameter by parameter; an empty tensor means no gradient."""

from __future__ import annotations

from torch import Tensor

from spikecheck.readings import GradientAtStepReading
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[GradientAtStepReading, ...]:
    count = len(captures[0].values) // 2
    removed = [
        [has_gradient(c.values[p]) and not has_gradient(c.values[p + count]) for c in captures] for p in range(count)
    ]
    return tuple(GradientAtStepReading(len(captures), sum(one)) for one in removed)


def has_gradient(gradient: Tensor) -> bool:
    """Return whether any entry is not 0."""
    return any(value != 0 for value in number(gradient).flatten().tolist())
