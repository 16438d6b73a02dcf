"""Losses over the run, update by update."""

from __future__ import annotations

from spikecheck.timelines import LossTimelineReading
from tests.oracles.raster import Captures, number
from tests.oracles.timeline import Pass, non_finite, points


def oracle(captures: Captures) -> tuple[LossTimelineReading, ...]:
    means = [sum(float(number(value).mean()) for value in one.values) / len(one.values) for one in captures]
    passes = [Pass(one.update, [mean], 1, [mean]) for one, mean in zip(captures, means, strict=True)]
    return (LossTimelineReading(points(passes), non_finite(passes, timed=False)),)
