"""Spikes, counted one by one."""

from __future__ import annotations

import numpy as np

from spikecheck.readings import SpikeReading
from tests.oracles.parts import part, profile, told
from tests.oracles.raster import (
    Captures,
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
        profile=profile([part(x.sum((1, 2)) if x.size else np.zeros(x.shape[0])) for x in rasters]),
        by_step=told([part(x.sum((1, 2)) if x.size else np.zeros(x.shape[0])) for x in rasters]),
        by_sample=told([part(x.sum((0, 2)) if x.size else np.zeros(x.shape[1])) for x in rasters]),
        rates=tuple(sum(sum(x[:, :, neuron].flatten().tolist()) for x in rasters) / bins for neuron in range(neurons))
        if bins
        else (),
        in_a_row=sum(float(a) * float(b) for x in rasters for a, b in zip(x[:-1].flat, x[1:].flat, strict=True)),
    )
    return (reading,)
