"""Class indices, one by one."""

from __future__ import annotations

from itertools import pairwise

from spikecheck.readings import TargetReading
from spikecheck.site import LossCall
from tests.oracles.raster import Captures, different, placed


def oracle(captures: Captures) -> tuple[TargetReading, ...]:
    call = captures[0].call or LossCall("unknown")
    every = [int(y) for capture in captures for value in capture.values for y in value.flatten()]
    targets = [y for y in every if y != call.ignored]
    classes = range(call.classes or 0)
    batches = [[float(y) for v in c.values for y in v.flatten()] for c in captures]
    reading = TargetReading(
        updates=len(captures),
        samples=len(targets),
        lowest=min(targets, default=0),
        highest=max(targets, default=0),
        ignored=len(every) - len(targets),
        outside=sum(y not in classes for y in targets),
        classes=call.classes,
        counts=tuple(targets.count(k) for k in classes),
        weighted=call.weighted,
        different=different(batches),
        repeated=sum(a == b for a, b in pairwise(map(placed, batches))),
        calls=sum(len(c.values) for c in captures),
    )
    return (reading,)
