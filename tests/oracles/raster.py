"""What the slow versions share: a capture as a full raster, and counting without a trick."""

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
    """[time, batch, neuron]; an axis that is not known has length 1."""
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
    """The 16 smallest different values; NaN and inf are no values."""
    return tuple(sorted({value for value in values if value < math.inf}))[:16]


def different(batches: Iterable[Sequence[float]]) -> int:
    """How many differ, 16 at most, in their values other than 0 and where these stand; NaN and inf count as 0."""
    return min(16, len(set(map(placed, batches))))


def placed(batch: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """The finite values other than 0, with where they stand."""
    return tuple((n, v) for n, v in enumerate(batch) if v != 0 and math.isfinite(v))


def broken(value: float) -> bool:
    """Is it no whole number?"""
    return not math.isfinite(value) or value != math.floor(value)


def low(values: Sequence[float]) -> float:
    """The smallest, 0 where there is none, NaN where one is NaN."""
    return math.nan if any(math.isnan(value) for value in values) else min(values, default=0.0)


def high(values: Sequence[float]) -> float:
    """The largest, 0 where there is none, NaN where one is NaN."""
    return -low([-value for value in values])


def mean(values: Sequence[float]) -> float:
    """The mean, 0 where there is none."""
    return sum(values) / max(1, len(values))


def batch_sums(captures: Captures) -> Iterator[tuple[int, int, float]]:
    """(update, time step, sum over the batch) of every neuron at every step."""
    for capture in captures:
        x = raster(capture)
        for step in range(x.shape[0]):
            for neuron in range(x.shape[2]):
                yield capture.update, step, sum(x[step, :, neuron].tolist())


def non_finite(sums: Iterable[tuple[int, int, float]], *, timed: bool) -> NonFinite:
    """How many sums are non-finite, and when the first of them came."""
    every = list(sums)
    bad = [(update, step) for update, step, value in every if not math.isfinite(value)]
    first = Moment(min(bad)[0], min(bad)[1] if timed else None) if bad else None
    return NonFinite(len(bad), len(every), first)


def timed(captures: Captures) -> bool:
    return all(capture.layout.time is not None for capture in captures)
