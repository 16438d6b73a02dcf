"""Gradients of each parameter; an empty tensor means no gradient."""

from __future__ import annotations

import math

from spikecheck.readings import GradientReading, NonFinite
from spikecheck.site import Moment
from tests.oracles.raster import Captures, mean, number


def oracle(captures: Captures) -> tuple[GradientReading, ...]:
    return tuple(one(captures, parameter) for parameter in range(len(captures[0].values)))


def one(captures: Captures, parameter: int) -> GradientReading:
    gradients = [(c.update, number(c.values[parameter])) for c in captures]
    present = [(update, math.sqrt(sum(v * v for v in g.flatten().tolist()))) for update, g in gradients if g.size]
    good = [norm for _, norm in present if math.isfinite(norm)]
    bad = [update for update, norm in present if not math.isfinite(norm)]
    shape = next((g.shape for _, g in gradients if g.size), (0,))
    return GradientReading(
        updates=len(gradients),
        missing_updates=len(gradients) - len(present),
        zero_updates=sum(norm == 0 for norm in good),
        mean_norm=mean(good),
        dimensions=len(shape),
        non_finite=NonFinite(len(bad), len(gradients), Moment(min(bad)) if bad else None),
    )
