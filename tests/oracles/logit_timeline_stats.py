"""What is not finite in the logits, update by update."""

from __future__ import annotations

from spikecheck.timelines import LogitTimelineReading
from tests.oracles.logit_stats import rows
from tests.oracles.raster import Captures, high
from tests.oracles.timeline import Pass, non_finite


def oracle(captures: Captures) -> tuple[LogitTimelineReading, ...]:
    totals = [sum(high(row) for _, row in rows([one])) for one in captures]
    passes = [Pass(one.update, [total], 1, []) for one, total in zip(captures, totals, strict=True)]
    return (LogitTimelineReading((), non_finite(passes, timed=False)),)
