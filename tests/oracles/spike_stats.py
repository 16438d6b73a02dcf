"""Spikes, counted one by one."""

from __future__ import annotations

import numpy as np

from spikecheck.readings import SpikeReading
from tests.oracles.raster import (
    Captures,
    Raster,
    batch_sums,
    broken,
    everything,
    high,
    low,
    non_finite,
    raster,
    smallest,
    timed,
)


def oracle(captures: Captures) -> tuple[SpikeReading, ...]:
    rasters = [raster(capture) for capture in captures]
    full = [x for x in rasters if x.size]
    values = everything(captures)
    neurons = rasters[0].shape[2]
    bins = sum(x.shape[0] * x.shape[1] for x in rasters)
    active = [sum(bool(v != 0) for x in rasters for v in x[:, :, neuron].flatten()) for neuron in range(neurons)]
    by_sample = [
        sum(x[:, sample, neuron].tolist()) for x in full for sample in range(x.shape[1]) for neuron in range(neurons)
    ]
    reading = SpikeReading(
        forwards=len(rasters),
        steps=sum(x.shape[0] for x in full),
        samples=sum(x.shape[1] for x in rasters),
        neurons=neurons,
        elements=len(values),
        count=sum(values),
        active=sum(active),
        minimum=low(values),
        maximum=high(values),
        values=smallest(values),
        not_binary=sum(v not in (0, 1) for v in values),
        looked_at=len(values),
        not_integer=sum(map(broken, values)),
        silent=sum(n == 0 for n in active) if bins else 0,
        saturated=sum(n >= 0.95 * bins for n in active) if bins else 0,
        most=high(by_sample),
        least=low(by_sample),
        non_finite=non_finite(batch_sums(captures), timed=timed(captures)),
        timed=timed(captures),
        by_step=told([part(x.sum((1, 2)) if x.size else np.zeros(x.shape[0])) for x in rasters]),
        by_sample=told([part(x.sum((0, 2)) if x.size else np.zeros(x.shape[1])) for x in rasters]),
        rates=tuple(sum(sum(x[:, :, neuron].flatten().tolist()) for x in rasters) / bins for neuron in range(neurons))
        if bins
        else (),
    )
    return (reading,)


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
