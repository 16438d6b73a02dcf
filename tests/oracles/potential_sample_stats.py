"""Potentials of one forward pass in the order of the raster; only for at most 2,048."""

from __future__ import annotations

from spikecheck.excerpts import PotentialSampleReading
from tests.oracles.raster import Captures, everything


def oracle(captures: Captures) -> tuple[PotentialSampleReading, ...]:
    values = everything(captures[-1:])
    assert len(values) <= 2048
    return (PotentialSampleReading(values=tuple(values), elements=len(values), update=captures[-1].update),)
