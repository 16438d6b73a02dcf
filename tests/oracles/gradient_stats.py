"""Gradients of each parameter, one by one; an empty tensor stands for none."""

from __future__ import annotations

import math

from spikecheck.readings import GradientReading, NonFinite
from spikecheck.site import Moment
from tests.oracles.raster import Captures, mean, number


def oracle(captures: Captures) -> tuple[GradientReading, ...]:
    return tuple(one(captures, parameter) for parameter in range(len(captures[0].values)))


def one(captures: Captures, parameter: int) -> GradientReading:
    seen = [(c.update, number(c.values[parameter])) for c in captures]
    there = [(update, math.sqrt(sum(v * v for v in g.flatten().tolist()))) for update, g in seen if g.size]
    good = [norm for _, norm in there if math.isfinite(norm)]
    bad = [update for update, norm in there if not math.isfinite(norm)]
    shape = next((g.shape for _, g in seen if g.size), (0,))
    return GradientReading(
        updates=len(seen),
        missing_updates=len(seen) - len(there),
        zero_updates=sum(norm == 0 for norm in good),
        mean_norm=mean(good),
        max_norm=max(good, default=0.0),
        elements=math.prod(shape),
        dimensions=len(shape),
        non_finite=NonFinite(len(bad), len(seen), Moment(min(bad)) if bad else None),
    )
