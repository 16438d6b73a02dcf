"""Excerpts of a layer for plots: the raster of one sample, and a sample of the potentials.

A plot shows one forward pass, so nothing is added: each forward pass that is measured in full replaces the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.excerpts import PotentialSampleReading, RasterReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import State, keep_last, merged_by
from spikecheck.stats.layout import Raster, RasterStatistic, even_sample

RASTER_STEPS = 128  # time steps of a raster
ROWS = 64  # neurons of a raster: more cannot be distinguished on a screen
POTENTIALS = 2048  # potentials per forward pass: a histogram bin with 5% of them has a relative error of 10%


@dataclass(frozen=True)
class ExcerptState(State):
    """A part of the tensor of one forward pass, and its full size."""

    part: Tensor = merged_by(keep_last)
    steps: int = merged_by(keep_last)
    neurons: int = merged_by(keep_last)
    elements: int = merged_by(keep_last)
    update: int = merged_by(keep_last)

    def shapes(self) -> tuple[object, ...]:
        """Return what must match: an excerpt is replaced when the number of neurons changes."""
        return (self.neurons,)


def excerpt(capture: Capture[Tensor], x: Tensor, part: Tensor) -> ExcerptState:
    """Return the state with this part of x [time, batch, neuron]."""
    copy = torch.empty(part.shape, dtype=torch.float32, device=part.device).copy_(part)
    return ExcerptState(copy, x.shape[0] if x.numel() else 0, x.shape[2], x.numel(), capture.update)


class RasterStats(RasterStatistic[ExcerptState]):
    """Raster of the first sample: spikes per neuron and time step.

    Unit: spikes per neuron and time step.
    Input: spikes [time, batch, neuron] of one forward pass.
    Memory: at most 128 x 64 floats. Cost: one strided copy per pass.
    Not visible: other samples and forward passes; in large layers, most neurons.
    """

    kind: ClassVar = SiteKind.SPIKES
    reading: ClassVar = RasterReading
    order_matters: ClassVar = True
    one_pass: ClassVar = "last"

    def measure_raster(self, raster: Raster) -> ExcerptState:
        """Copy time steps and neurons of the first sample."""
        x = raster.x
        return excerpt(raster.capture, x, x[:RASTER_STEPS, :1, :: stride(x.shape[2])].flatten(0, 1))

    def summarize(self, state: ExcerptState) -> tuple[RasterReading, ...]:
        """Copy the excerpt to the host."""
        return (
            RasterReading(
                raster=tuple(map(tuple, state.part.T.tolist())),
                time_steps=state.steps,
                neurons=state.neurons,
                stride=stride(state.neurons),
                update=state.update,
            ),
        )


def stride(neurons: int) -> int:
    """Return the distance between neurons that have a row."""
    return max(1, -(-neurons // ROWS))


class PotentialSampleStats(RasterStatistic[ExcerptState]):
    """A sample of membrane potentials after each time step, for a histogram.

    Unit: that of the threshold.
    Input: potentials [time, batch, neuron] of one forward pass.
    Memory: about 2,048 floats. Cost: one strided copy per pass.
    Not visible: which neuron and time step; other forward passes.
    """

    kind: ClassVar = SiteKind.POTENTIAL
    reading: ClassVar = PotentialSampleReading
    order_matters: ClassVar = True
    one_pass: ClassVar = "last"

    def measure_raster(self, raster: Raster) -> ExcerptState:
        """Copy an even sample of the potentials of one forward pass."""
        x = raster.x
        return excerpt(raster.capture, x, even_sample(x, POTENTIALS))

    def summarize(self, state: ExcerptState) -> tuple[PotentialSampleReading, ...]:
        """Copy the sample to the host."""
        return (PotentialSampleReading(tuple(state.part.tolist()), state.elements, state.update),)
