"""Gradients that were made and not found, one parameter after the other; an empty tensor stands for none."""

from __future__ import annotations

from torch import Tensor

from spikecheck.readings import GradientAtStepReading
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[GradientAtStepReading, ...]:
    count = len(captures[0].values) // 2
    gone = [[there(c.values[p]) and not there(c.values[p + count]) for c in captures] for p in range(count)]
    return tuple(GradientAtStepReading(len(captures), sum(one)) for one in gone)


def there(gradient: Tensor) -> bool:
    """Is there any entry other than 0?"""
    return any(value != 0 for value in number(gradient).flatten().tolist())
