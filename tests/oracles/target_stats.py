"""Class indices, element by element."""

from __future__ import annotations

from itertools import pairwise

from spikecheck.readings import TargetReading
from spikecheck.site import LossCall
from tests.oracles.raster import Captures, distinct_batches, nonzero_entries


def oracle(captures: Captures) -> tuple[TargetReading, ...]:
    call = captures[0].loss_call or LossCall("unknown")
    every = [int(y) for capture in captures for value in capture.values for y in value.flatten()]
    targets = [y for y in every if y != call.ignored_label]
    classes = range(call.classes or 0)
    batches = [[float(y) for v in c.values for y in v.flatten()] for c in captures]
    reading = TargetReading(
        updates=len(captures),
        samples=len(targets),
        minimum=min(targets, default=0),
        maximum=max(targets, default=0),
        out_of_range=sum(y not in classes for y in targets),
        classes=call.classes,
        class_counts=tuple(targets.count(k) for k in classes),
        has_class_weights=call.has_class_weights,
        distinct_batches=distinct_batches(batches),
        repeated_batches=sum(a == b for a, b in pairwise(map(nonzero_entries, batches))),
        loss_calls=sum(len(c.values) for c in captures),
    )
    return (reading,)
