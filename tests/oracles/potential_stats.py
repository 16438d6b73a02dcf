"""Membrane potentials, one by one."""

from __future__ import annotations

from spikecheck.readings import PotentialReading
from tests.oracles.raster import Captures, batch_sums, everything, high, low, mean, non_finite, raster, timed


def oracle(captures: Captures) -> tuple[PotentialReading, ...]:
    values = everything(captures)
    reading = PotentialReading(
        forward_passes=len(captures),
        time_steps=sum(len(raster(capture)) for capture in captures if raster(capture).size),
        elements=len(values),
        mean=mean(values),
        rms=mean([v * v for v in values]) ** 0.5,
        minimum=low(values),
        maximum=high(values),
        non_finite=non_finite(batch_sums(captures), timed=timed(captures)),
    )
    return (reading,)
