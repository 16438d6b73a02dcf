"""Steps that a gradient came back to, forward by forward."""

from __future__ import annotations

from spikecheck.readings import ReturnReading
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[ReturnReading, ...]:
    forwards = [[v != 0 for value in c.values for v in number(value).flatten().tolist()] for c in captures]
    return (
        ReturnReading(
            forwards=len(forwards),
            steps=sum(len(steps) for steps in forwards),
            reached=sum(sum(steps) for steps in forwards),
            last_only=sum(sum(steps) == 1 and steps[-1] for steps in forwards),
        ),
    )
