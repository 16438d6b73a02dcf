"""What is not finite in the logits, update by update."""

from __future__ import annotations

from spikecheck.timelines import LogitTimelineReading
from tests.oracles.raster import Captures, number
from tests.oracles.timeline import Pass, non_finite


def oracle(captures: Captures) -> tuple[LogitTimelineReading, ...]:
    totals = [sum(float(v) for value in one.values for v in number(value).flatten()) for one in captures]
    passes = [Pass(one.update, [total], 1, []) for one, total in zip(captures, totals, strict=True)]
    return (LogitTimelineReading((), non_finite(passes, timed=False)),)
