"""What each forward went on from, in the middle."""

from __future__ import annotations

from spikecheck.readings import MemoryReading
from tests.oracles import start_stats
from tests.oracles.raster import Captures


def oracle(captures: Captures) -> tuple[MemoryReading, ...]:
    (begun,) = start_stats.oracle(captures)
    return (MemoryReading(begun.sequences, begun.carried, begun.largest),)
