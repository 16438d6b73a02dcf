"""Shares of time steps, or samples, in a forward pass."""

from __future__ import annotations

import numpy as np

from tests.oracles.raster import Raster, mean


def share_of_mean(spikes: Raster) -> list[float]:
    """Divide each entry by the mean; 0 if it is undefined."""
    with np.errstate(all="ignore"):
        parts = spikes / spikes.mean() if spikes.size else spikes
    return [float(v) if np.isfinite(v) else 0.0 for v in parts]


def variance_explained(parts: list[list[float]]) -> float | None:
    """Return the fraction of the variance that is between positions."""
    by_position = [[p[i] for p in parts if i < len(p)] for i in range(max(map(len, parts)))]
    several = [values for values in by_position if len(values) > 1]
    if len(several) < 2:
        return None
    within = [float(np.var(values, ddof=1)) for values in several]
    between = float(np.var([np.mean(values) for values in several], ddof=1))
    signal = max(0.0, between - float(np.mean([w / len(v) for w, v in zip(within, several, strict=True)])))
    whole = signal + float(np.mean(within))
    return signal / whole if whole > 0 else 0.0


def profile(parts: list[list[float]]) -> tuple[float, ...]:
    """Return the mean share of each position."""
    return tuple(mean([p[i] for p in parts if i < len(p)]) for i in range(max(map(len, parts))))
