"""Membrane potentials, element by element."""

from __future__ import annotations

from spikecheck.readings import PotentialReading
from tests.oracles.raster import Captures, batch_sums, everything, high, non_finite, timed


def oracle(captures: Captures) -> tuple[PotentialReading, ...]:
    values = everything(captures)
    reading = PotentialReading(
        maximum=high(values),
        non_finite=non_finite(batch_sums(captures), timed=timed(captures)),
    )
    return (reading,)
