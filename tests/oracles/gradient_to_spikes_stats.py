"""Time steps that received a gradient, per forward pass."""

from __future__ import annotations

from spikecheck.readings import GradientToSpikesReading
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[GradientToSpikesReading, ...]:
    forward_passes = [[v != 0 for value in c.values for v in number(value).flatten().tolist()] for c in captures]
    return (
        GradientToSpikesReading(
            forward_passes=len(forward_passes),
            time_steps=sum(len(steps) for steps in forward_passes),
            last_step_only=sum(sum(steps) == 1 and steps[-1] for steps in forward_passes),
        ),
    )
