"""Currents, one by one."""

from __future__ import annotations

from spikecheck.readings import DriveReading
from tests.oracles.raster import Captures, batch_sums, everything, high, low, mean, non_finite, raster, timed


def oracle(captures: Captures) -> tuple[DriveReading, ...]:
    rasters = [raster(capture) for capture in captures]
    values = everything(captures)
    peaks = [high([v for x in rasters for v in x[:, :, neuron].flatten()]) for neuron in range(rasters[0].shape[2])]
    reading = DriveReading(
        forwards=len(rasters),
        steps=sum(x.shape[0] for x in rasters if x.size),
        elements=len(values),
        mean=mean(values),
        rms=mean([v * v for v in values]) ** 0.5,
        minimum=low(values),
        maximum=high(values),
        peak=mean(peaks),
        non_finite=non_finite(batch_sums(captures), timed=timed(captures)),
    )
    return (reading,)
