"""The input's values, counted one by one."""

from __future__ import annotations

from spikecheck.readings import InputReading
from tests.oracles.raster import (
    Captures,
    batch_sums,
    broken,
    everything,
    high,
    low,
    non_finite,
    raster,
    smallest,
    timed,
)


def oracle(captures: Captures) -> tuple[InputReading, ...]:
    first = captures[0]
    values = everything(captures)
    reading = InputReading(
        forwards=len(captures),
        shape=((len(first.values),) if first.stacked else ()) + tuple(first.values[0].shape),
        dtype=str(first.values[0].dtype).removeprefix("torch."),
        steps=raster(first).shape[0] if timed(captures) else None,
        elements=len(values),
        count=sum(values),
        active=sum(v != 0 for v in values),
        above_one=sum(v > 1 for v in values),
        negative=sum(v < 0 for v in values),
        minimum=low(values),
        maximum=high(values),
        values=smallest(values),
        looked_at=len(values),
        not_integer=sum(map(broken, values)),
        non_finite=non_finite(batch_sums(captures), timed=timed(captures)),
    )
    return (reading,)
