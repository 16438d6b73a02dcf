"""Membrane potentials, element by element."""

from __future__ import annotations

from spikecheck.readings import PotentialReading
from tests.oracles.raster import Captures, everything, high, mean, non_finite, raster, step_sums, timed


def oracle(captures: Captures) -> tuple[PotentialReading, ...]:
    values = everything(captures)
    reading = PotentialReading(
        maximum=high(values),
        non_finite=non_finite(step_sums(captures), timed=timed(captures)),
        final=mean([positive_part(float(value)) for one in captures for value in raster(one)[-1:].flatten()]),
    )
    return (reading,)


def positive_part(value: float) -> float:
    return 0.0 if value < 0 else value
