"""An optimizer over the run, update by update."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from spikecheck.site import Capture
from spikecheck.timelines import OptimizerPoint, OptimizerTimelineReading
from tests.oracles.raster import Captures, mean
from tests.oracles.timeline import Pass, non_finite, width
from tests.oracles.update_stats import norm, share


def oracle(captures: Captures) -> tuple[OptimizerTimelineReading, ...]:
    updates, latest = width([Pass(one.update, [], 0, []) for one in captures]), max(one.update for one in captures)
    starts = sorted({one.update // updates * updates for one in captures})
    points = tuple(
        point([one for one in captures if start <= one.update < start + updates], start, updates, latest)
        for start in starts
    )
    passes = [Pass(one.update, [whole_norm(one.values)], 1, []) for one in captures if one.values]
    return (OptimizerTimelineReading(points, non_finite(passes, timed=False)),)


def point(captures: Sequence[Capture[Tensor]], start: int, updates: int, latest: int) -> OptimizerPoint:
    norms = [whole_norm(one.values) for one in captures if one.values]
    finite = [value for value in norms if math.isfinite(value)]
    sizes = [size(one.step_tensors) for one in captures if one.step_tensors]
    rates = [rate for one in captures for rate in one.learning_rates if rate is not None]
    return OptimizerPoint(
        start,
        min(start + updates - 1, latest),
        len(norms),
        mean(finite) if finite else None,
        max((value for value in norms if not math.isnan(value)), default=None),
        update_size=mean(sizes) if sizes else None,
        learning_rate=mean(rates) if rates else None,
    )


def whole_norm(values: Sequence[Tensor]) -> float:
    return math.sqrt(sum(norm(value) ** 2 for value in values))


def size(values: Sequence[Tensor]) -> float:
    half = len(values) // 2
    return share(whole_norm(values[:half]), whole_norm(values[half:]))
