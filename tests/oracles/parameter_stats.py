"""The latest values of parameters."""

from __future__ import annotations

import math

from spikecheck.readings import NonFinite, ParameterReading
from spikecheck.site import Moment
from tests.oracles.raster import Captures, Raster, mean, number


def oracle(captures: Captures) -> tuple[ParameterReading, ...]:
    last = captures[-1]
    return tuple(one(number(value), last.update) for value in last.values)


def one(x: Raster, update: int) -> ParameterReading:
    values = x.flatten().tolist()
    finite = all(map(math.isfinite, values))
    return ParameterReading(
        elements=len(values),
        dimensions=x.ndim,
        fan_in=max(1, math.prod(x.shape[1:])),
        rms=math.sqrt(mean([v * v for v in values])),
        non_finite=NonFinite(0, 1) if finite else NonFinite(1, 1, Moment(update)),
    )
