"""Excerpts of a run for pictures: readings that no check judges by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RasterReading:
    """The spikes of one sample in one forward pass.

    `raster` has one row per neuron and one column per time step: the first 128 of the `time_steps`, and every
    `stride`-th of the `neurons`, at most 64 rows. `update` counts the updates before that forward pass.
    """

    raster: tuple[tuple[float, ...], ...]
    time_steps: int
    neurons: int
    stride: int
    update: int


@dataclass(frozen=True, slots=True)
class PotentialSampleReading:
    """Membrane potentials of one forward pass, after each time step: all of them, or an even sample of about 2,048."""

    values: tuple[float, ...]
    elements: int
    update: int
