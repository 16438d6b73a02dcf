"""The size of a loss and of the other terms, update by update."""

from __future__ import annotations

from spikecheck.loss_readings import LossTermReading
from tests.oracles.raster import Captures, mean, number


def oracle(captures: Captures) -> tuple[LossTermReading, ...]:
    sizes = [[float(number(value).sum()) for value in capture.values] for capture in captures]
    own, others = [abs(part) for part, _ in sizes], [abs(whole - part) for part, whole in sizes]
    return (LossTermReading(len(captures), mean(own), mean(others), sum(part < 0 for part, _ in sizes)),)
