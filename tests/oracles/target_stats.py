"""Class indices, one by one."""

from __future__ import annotations

from spikecheck.readings import TargetReading
from tests.oracles.raster import Captures


def oracle(captures: Captures) -> tuple[TargetReading, ...]:
    targets = [int(y) for capture in captures for value in capture.values for y in value.flatten()]
    return (TargetReading(len(captures), len(targets), min(targets, default=0), max(targets, default=0)),)
