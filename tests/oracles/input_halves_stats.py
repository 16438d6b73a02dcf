"""The halves of the input along each axis of a sample, entry by entry."""

from __future__ import annotations

import numpy as np

from spikecheck.readings import InputHalvesReading
from spikecheck.site import Layout
from tests.oracles.raster import Captures, Raster, number


def oracle(captures: Captures) -> tuple[InputHalvesReading, ...]:
    samples = [by_sample(capture.values, capture.layout, capture.stacked) for capture in captures]
    if samples[0] is None:
        return (InputHalvesReading(len(captures), (), ()),)
    shape = samples[0].shape[2:]
    copies = [axis for axis, size in enumerate(shape) if size % 2 == 0 and is_copy(samples, axis + 2)]
    return (InputHalvesReading(len(captures), shape, tuple(copies)),)


def by_sample(values, layout: Layout, stacked: bool) -> Raster | None:
    """Return a capture as [time, batch, ...]; None where one of these axes is not known."""
    if layout.time is None or layout.batch is None:
        return None
    x = np.stack([number(v) for v in values]) if stacked else number(values[0])
    return np.moveaxis(x, (layout.time, layout.batch), (0, 1))


def is_copy(samples: list[Raster], axis: int) -> bool:
    """Return whether the halves are equal everywhere, and a half has different entries in some frame."""
    halves = [np.split(x, 2, axis) for x in samples if x.size]
    frames = [frame.flatten() for one, _ in halves for sample in one for frame in sample]
    equal = all(bool((one == other).all()) for one, other in halves)
    return equal and any(len(set(frame.tolist())) > 1 for frame in frames)
