"""Stale gradients, parameter by parameter; an empty tensor means no gradient."""

from __future__ import annotations

from spikecheck.update_readings import StaleGradientReading
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[StaleGradientReading, ...]:
    return tuple(
        StaleGradientReading(
            len(captures), sum(any(v != 0 for v in number(c.values[p]).flatten().tolist()) for c in captures)
        )
        for p in range(len(captures[0].values))
    )
