"""Gradients before the first update, parameter by parameter; an empty tensor means no gradient."""

from __future__ import annotations

import math

from spikecheck.update_readings import UnusedGradientReading
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[UnusedGradientReading, ...]:
    parameters = len(captures[0].values) // 4
    readings = []
    for p in range(parameters):
        gradients = cleared = moved = 0
        for c in captures:
            before, after, first, now = (number(c.values[p + n * parameters]).flatten().tolist() for n in range(4))
            arrives = any(v != 0 for v in after) and all(math.isfinite(v) for v in after)
            gradients += arrives
            cleared += arrives and all(v == 0 for v in before)
            moved += any(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in zip(first, now, strict=True))
        readings.append(UnusedGradientReading(len(captures), gradients, cleared, moved))
    return tuple(readings)
