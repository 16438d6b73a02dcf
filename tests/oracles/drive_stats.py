"""Currents, element by element."""

from __future__ import annotations

import numpy as np

from spikecheck.readings import DriveReading
from spikecheck.site import NeighborCorrelation
from tests.oracles.raster import Captures, Raster, everything, high, mean, non_finite, raster, step_sums, timed


def oracle(captures: Captures) -> tuple[DriveReading, ...]:
    rasters = [raster(capture) for capture in captures]
    values = everything(captures)
    peaks = [high([v for x in rasters for v in x[:, :, neuron].flatten()]) for neuron in range(rasters[0].shape[2])]
    reading = DriveReading(
        forward_passes=len(rasters),
        time_steps=sum(x.shape[0] for x in rasters if x.size),
        mean=mean(values),
        rms=mean([v * v for v in values]) ** 0.5,
        maximum=high(values),
        peak=mean(peaks),
        non_finite=non_finite(step_sums(captures), timed=timed(captures)),
        step_correlation=neighbor_correlation(rasters),
        sample_correlation=neighbor_correlation([x.swapaxes(0, 1) for x in rasters]),
        row_correlation=row_correlation(rasters),
    )
    return (reading,)


def neighbor_correlation(rasters: list[Raster]) -> NeighborCorrelation | None:
    """Correlate neighbors, and entries half an axis apart, over forward passes with at least four entries."""
    return compared([(correlation(x, 1), correlation(x, len(x) // 2)) for x in rasters if len(x) >= 4 and x.size])


def row_correlation(rasters: list[Raster]) -> NeighborCorrelation | None:
    """Correlate values of [batch, time] that are as many places apart as there are samples, and one more or less."""
    pairs = []
    for x in rasters:
        steps, samples, _ = x.shape
        if min(steps, samples) >= 4 and 1 < samples % steps < steps - 1 and x.size:
            before, at, after = (across(x, lag) for lag in (samples - 1, samples, samples + 1))
            pairs.append((at, (before + after) / 2))
    return compared(pairs)


def across(x: Raster, lag: int) -> float:
    """Return the correlation of values of two samples, so many places apart in [batch, time]."""
    steps, samples, _ = x.shape
    centered = x - x.mean((0, 1))
    variance = (centered**2).mean()
    if not (np.isfinite(variance) and variance > 1e-12 * (x**2).mean()):
        return 0.0
    rows = [(b, x[t, b] - x[t].mean(0)) for b in range(samples) for t in range(steps)]
    pairs = [(v, w) for (b, v), (c, w) in zip(rows[:-lag], rows[lag:], strict=True) if b != c]
    return float(np.mean([v * w for v, w in pairs]) / variance)


def compared(pairs: list[tuple[float, float]]) -> NeighborCorrelation | None:
    """Return the mean over forward passes, and the standard error of the difference."""
    if len(pairs) < 2:
        return None
    neighbors, distant = np.mean(pairs, axis=0)
    differences = [a - b for a, b in pairs]
    return NeighborCorrelation(float(neighbors), float(distant), float(np.std(differences, ddof=1)) / len(pairs) ** 0.5)


def correlation(x: Raster, lag: int) -> float:
    """Return the autocorrelation at this lag, around the mean of each neuron."""
    with np.errstate(all="ignore"):
        centered = x - x.mean((0, 1))
        variance = (centered**2).mean()
        if not variance > 1e-12 * (x**2).mean():
            return 0.0
        products = [a * b for a, b in zip(centered[:-lag].flat, centered[lag:].flat, strict=True)]
        return float(np.mean(products) / variance) if np.isfinite(variance) else 0.0
