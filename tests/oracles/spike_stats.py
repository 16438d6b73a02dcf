"""Spikes, element by element."""

from __future__ import annotations

import numpy as np

from spikecheck.readings import SpikeReading
from tests.oracles.raster import (
    Captures,
    everything,
    high,
    low,
    non_finite,
    not_integer,
    raster,
    smallest,
    step_sums,
    timed,
)
from tests.oracles.shares import profile, share_of_mean, variance_explained


def oracle(captures: Captures) -> tuple[SpikeReading, ...]:
    rasters = [raster(capture) for capture in captures]
    full = [x for x in rasters if x.size]
    values = everything(captures)
    neurons = rasters[0].shape[2]
    bins = sum(x.shape[0] * x.shape[1] for x in rasters)
    active = [sum(bool(v != 0) for x in rasters for v in x[:, :, neuron].flatten()) for neuron in range(neurons)]
    sample_variance_share = [
        sum(x[:, sample, neuron].tolist()) for x in full for sample in range(x.shape[1]) for neuron in range(neurons)
    ]
    reading = SpikeReading(
        forward_passes=len(rasters),
        time_steps=sum(x.shape[0] for x in full),
        samples=sum(x.shape[1] for x in rasters),
        neurons=neurons,
        elements=len(values),
        count=sum(values),
        active=sum(active),
        minimum=low(values),
        maximum=high(values),
        values=smallest(values),
        non_binary=sum(v not in (0, 1) for v in values),
        sampled_elements=len(values),
        non_integer=sum(map(not_integer, values)),
        silent_neurons=sum(n == 0 for n in active) if bins else 0,
        saturated_neurons=sum(n >= 0.95 * bins for n in active) if bins else 0,
        max_count=high(sample_variance_share),
        min_count=low(sample_variance_share),
        non_finite=non_finite(step_sums(captures), timed=timed(captures)),
        time_axis_known=timed(captures),
        profile=profile([share_of_mean(x.sum((1, 2)) if x.size else np.zeros(x.shape[0])) for x in rasters]),
        step_variance_share=variance_explained(
            [share_of_mean(x.sum((1, 2)) if x.size else np.zeros(x.shape[0])) for x in rasters]
        ),
        sample_variance_share=variance_explained(
            [share_of_mean(x.sum((0, 2)) if x.size else np.zeros(x.shape[1])) for x in rasters]
        ),
        rates=tuple(sum(sum(x[:, :, neuron].flatten().tolist()) for x in rasters) / bins for neuron in range(neurons))
        if bins
        else (),
        consecutive_products=sum(
            float(a) * float(b) for x in rasters for a, b in zip(x[:-1].flat, x[1:].flat, strict=True)
        ),
    )
    return (reading,)
