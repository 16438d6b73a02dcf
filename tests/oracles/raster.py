"""Functions shared by the oracles: a capture as a full raster, and plain counting."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spikecheck.readings import NonFinite
from spikecheck.site import Capture, Moment

Raster = NDArray[np.float64]
Captures = Sequence[Capture[Tensor]]


def number(values: Tensor) -> Raster:
    array: Raster = values.detach().double().numpy()
    return array


def raster(capture: Capture[Tensor]) -> Raster:
    """Return a capture as [time, batch, neuron]; an unknown axis has length 1."""
    x = np.stack([number(v) for v in capture.values]) if capture.stacked else number(capture.values[0])
    time, batch = capture.layout.time, capture.layout.batch
    if time is not None and batch is not None:
        x = np.moveaxis(x, (time, batch), (0, 1))
    elif time is not None:
        x = np.moveaxis(x, time, 0)[:, None]
    elif batch is not None:
        x = np.moveaxis(x, batch, 0)[None]
    else:
        x = x[None, None]
    return x.reshape(x.shape[0], x.shape[1], math.prod(x.shape[2:]))


def everything(captures: Captures) -> list[float]:
    return [float(value) for capture in captures for value in raster(capture).flatten()]


def smallest(values: Iterable[float]) -> tuple[float, ...]:
    """Return the 16 smallest distinct values; NaN and inf are excluded."""
    return tuple(sorted({value for value in values if value < math.inf}))[:16]


def distinct_batches(batches: Iterable[Sequence[float]]) -> int:
    """Count distinct batches, at most 16; NaN and inf count as 0."""
    return min(16, len(set(map(nonzero_entries, batches))))


def nonzero_entries(batch: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Return (index, value) of the finite values other than 0."""
    return tuple((n, v) for n, v in enumerate(batch) if v != 0 and math.isfinite(v))


def not_integer(value: float) -> bool:
    """Return whether a value is not an integer."""
    return not math.isfinite(value) or value != math.floor(value)


def low(values: Sequence[float]) -> float:
    """Return the smallest value; 0 if there is none, NaN if one is NaN."""
    return math.nan if any(math.isnan(value) for value in values) else min(values, default=0.0)


def high(values: Sequence[float]) -> float:
    """Return the largest value; 0 if there is none, NaN if one is NaN."""
    return -low([-value for value in values])


def mean(values: Sequence[float]) -> float:
    """Return the mean; 0 if there are no values."""
    return sum(values) / max(1, len(values))


def step_sums(captures: Captures) -> Iterator[tuple[int, int, float]]:
    """Yield (update, time step, sum over batch and neurons) of every time step."""
    for capture in captures:
        for step, values in enumerate(raster(capture)):
            yield capture.update, step, sum(values.flatten().tolist())


def non_finite(sums: Iterable[tuple[int, int, float]], *, timed: bool) -> NonFinite:
    """Count the non-finite sums, and locate the first one."""
    every = list(sums)
    bad = [(update, step) for update, step, value in every if not math.isfinite(value)]
    first = Moment(min(bad)[0], min(bad)[1] if timed else None) if bad else None
    return NonFinite(len(bad), len(every), first)


def timed(captures: Captures) -> bool:
    return all(capture.layout.time is not None for capture in captures)
