"""The weight of each class, one after the other."""

from __future__ import annotations

from spikecheck.loss_readings import ClassWeightReading
from tests.oracles.raster import Captures, mean, number


def oracle(captures: Captures) -> tuple[ClassWeightReading, ...]:
    weights = [[float(w) for w in number(capture.values[0]).ravel()] for capture in captures]
    return (ClassWeightReading(len(captures), tuple(mean(one) for one in zip(*weights, strict=True))),)
