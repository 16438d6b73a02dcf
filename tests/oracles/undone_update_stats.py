"""Updates that were taken back, parameter by parameter."""

from __future__ import annotations

import math

from spikecheck.update_readings import UndoneUpdateReading
from tests.oracles.raster import Captures, number


def oracle(captures: Captures) -> tuple[UndoneUpdateReading, ...]:
    parameters = len(captures[0].values) // 3
    readings = []
    for p in range(parameters):
        updates = undone = 0
        for c in captures:
            before, now, added = (number(c.values[p + n * parameters]).flatten().tolist() for n in range(3))
            updated = any(v != 0 for v in added) and all(math.isfinite(v) for v in added)
            same = all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(before, now, strict=True))
            updates += updated
            undone += updated and same
        readings.append(UndoneUpdateReading(updates, undone))
    return tuple(readings)
