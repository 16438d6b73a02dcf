"""Outputs and targets of a regression loss, element by element."""

from __future__ import annotations

from math import inf
from statistics import fmean, pvariance

from torch import Tensor

from spikecheck.readings import RegressionTargetReading
from tests.oracles.raster import Captures, distinct_batches, high, low, number


def oracle(captures: Captures) -> tuple[RegressionTargetReading, ...]:
    outputs, latest, batches = [], [], []
    for capture in captures:
        half = len(capture.values) // 2
        shown = [v for value in capture.values[:half] for v in number(value).flatten().tolist()]
        latest = shown if shown and high(shown) != -inf else latest
        outputs += shown
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
        uniform_batches=sum(all(map(is_uniform, c.values[len(c.values) // 2 :])) for c in captures),
        outputs=captures[0].values[0].shape[-1] if captures[0].values[0].dim() > 1 else 1,
        latest_output_maximum=high(latest),
    )
    return (reading,)


def is_uniform(targets: Tensor) -> bool:
    """Return whether several samples have the same targets, and a sample has different ones."""
    rows = [row.flatten().tolist() for row in targets] if targets.dim() > 1 else []
    return len(rows) > 1 and all(row == rows[0] for row in rows) and len(set(rows[0])) > 1
