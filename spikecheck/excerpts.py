"""Pieces of a run that are kept to be drawn: readings that no check judges by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RasterReading:
    """An excerpt of one forward: the spikes of one sample, for a picture.

    `raster` has a row a neuron, spikes by step: of the first 128 of the `steps`, and of each `stride`-th of the
    `neurons`, at most 64 rows. `update`: how many updates had been done before that forward.
    """

    raster: tuple[tuple[float, ...], ...]
    time_steps: int
    neurons: int
    stride: int
    update: int


@dataclass(frozen=True, slots=True)
class PotentialSampleReading:
    """Membrane potentials of one forward, after each step: all of them, or an even sample of 2,048 or so."""

    values: tuple[float, ...]
    elements: int
    update: int
