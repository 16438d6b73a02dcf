"""Outputs and targets of a regression loss, element by element."""

from __future__ import annotations

from statistics import fmean, pvariance

from spikecheck.readings import RegressionTargetReading
from tests.oracles.raster import Captures, distinct_batches, high, low, number


def oracle(captures: Captures) -> tuple[RegressionTargetReading, ...]:
    outputs, batches = [], []
    for capture in captures:
        half = len(capture.values) // 2
        outputs += [v for value in capture.values[:half] for v in number(value).flatten().tolist()]
        batches.append([v for value in capture.values[half:] for v in number(value).flatten().tolist()])
    targets = [v for batch in batches for v in batch]
    reading = RegressionTargetReading(
        updates=len(captures),
        elements=len(targets),
        target_minimum=low(targets),
        target_maximum=high(targets),
        output_minimum=low(outputs),
        output_maximum=high(outputs),
        output_values=tuple(sorted(set(outputs))[:16]),
        distinct_batches=distinct_batches(batches),
        target_mean=fmean(targets) if targets else None,
        target_variance=pvariance(targets) if targets else None,
    )
    return (reading,)
