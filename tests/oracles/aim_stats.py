"""Outputs and targets, one by one."""

from __future__ import annotations

from spikecheck.readings import AimReading
from tests.oracles.raster import Captures, different, high, low, number


def oracle(captures: Captures) -> tuple[AimReading, ...]:
    outputs, batches = [], []
    for capture in captures:
        half = len(capture.values) // 2
        outputs += [v for value in capture.values[:half] for v in number(value).flatten().tolist()]
        batches.append([v for value in capture.values[half:] for v in number(value).flatten().tolist()])
    targets = [v for batch in batches for v in batch]
    reading = AimReading(
        updates=len(captures),
        elements=len(targets),
        lowest=low(targets),
        highest=high(targets),
        minimum=low(outputs),
        maximum=high(outputs),
        values=tuple(sorted(set(outputs))[:16]),
        different=different(batches),
    )
    return (reading,)
