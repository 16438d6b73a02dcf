"""Which part of a forward each step has, or each sample."""

from __future__ import annotations

import numpy as np

from tests.oracles.raster import Raster, mean


def part(spikes: Raster) -> list[float]:
    """Each entry over the mean of them, 0 where that is no number."""
    with np.errstate(all="ignore"):
        parts = spikes / spikes.mean() if spikes.size else spikes
    return [float(v) if np.isfinite(v) else 0.0 for v in parts]


def told(parts: list[list[float]]) -> float | None:
    """The share of the variance of the parts that lies between their numbers."""
    numbered = [[p[i] for p in parts if i < len(p)] for i in range(max(map(len, parts)))]
    several = [values for values in numbered if len(values) > 1]
    if len(several) < 2:
        return None
    within = [float(np.var(values, ddof=1)) for values in several]
    between = float(np.var([np.mean(values) for values in several], ddof=1))
    signal = max(0.0, between - float(np.mean([w / len(v) for w, v in zip(within, several, strict=True)])))
    whole = signal + float(np.mean(within))
    return signal / whole if whole > 0 else 0.0


def profile(parts: list[list[float]]) -> tuple[float, ...]:
    """The mean part of each number."""
    return tuple(mean([p[i] for p in parts if i < len(p)]) for i in range(max(map(len, parts))))
