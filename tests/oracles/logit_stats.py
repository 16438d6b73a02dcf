"""Logits, row by row."""

from __future__ import annotations

import math

import numpy as np

from spikecheck.readings import LogitReading
from tests.oracles.raster import Captures, high, low, mean, non_finite, number


def rows(captures: Captures) -> list[tuple[int, list[float]]]:
    """Return (update, logits of one row); classes are on axis 1, or on axis 0 without a batch."""
    result = []
    for capture in captures:
        for value in capture.values:
            x = number(value)
            x = np.moveaxis(x, 1, -1) if x.ndim > 1 else x
            result += [(capture.update, x[where].tolist()) for where in np.ndindex(x.shape[:-1])]
    return result


def unmasked(row: list[float]) -> list[float]:
    """Return the row with its largest entry in place of the masked ones."""
    return [high(row) if value == -math.inf else value for value in row]


def certainty(row: list[float]) -> float:
    """Return the largest entry of the softmax; NaN if it is undefined."""
    top = high(row)
    return math.nan if not math.isfinite(top) else 1 / sum(math.exp(v - top) for v in row)


def has_equal_sums(x: np.ndarray) -> bool:
    """Return whether all classes have the same sum over two samples or more, of probabilities or their logarithms."""
    entries = x.flatten().tolist()
    if x.ndim < 2 or not entries or len(x) < 2 or any(math.isnan(v) for v in entries) or low(entries) == high(entries):
        return False
    shares = np.exp(x) if low(entries) < 0 and high(entries) <= 0 else x
    sums = shares.sum(0).flatten().tolist()
    return low(shares.flatten().tolist()) >= 0 and low(sums) > 0 and high(sums) - low(sums) < 1e-3 * high(sums)


def oracle(captures: Captures) -> tuple[LogitReading, ...]:
    every = rows(captures)
    values = [v for _, row in every for v in row]
    lowest = [low(unmasked(row)) for _, row in every]
    logits = captures[0].values[0]
    classes = logits.shape[min(1, logits.dim() - 1)]
    chosen = [row.index(high(row)) for _, row in every if math.isfinite(high(row)) and high(row) != low(unmasked(row))]
    votes = [chosen.count(k) for k in range(classes)]
    normalized = sum(all(has_equal_sums(number(value)) for value in capture.values) for capture in captures)
    reading = LogitReading(
        updates=len(captures),
        rows=len(every),
        classes=classes,
        minimum=low(lowest),
        maximum=high(values),
        spread=mean([high(row) - least for (_, row), least in zip(every, lowest, strict=True)]),
        tied_rows=sum(high(row) == least for (_, row), least in zip(every, lowest, strict=True)),
        simplex_rows=sum(low(unmasked(row)) >= 0 and abs(sum(row) - 1) < 1e-3 for _, row in every),
        one_hot_rows=sum(certainty(row) > 0.999 for _, row in every),
        non_finite=non_finite([(update, 0, high(row)) for update, row in every], timed=False),
        decided_rows=len(chosen),
        top_class_rows=max(votes),
        normalized_batches=normalized,
        top_class=votes.index(max(votes)),
    )
    return (reading,)
