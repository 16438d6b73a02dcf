"""Excerpts of a layer for a picture: the raster of one sample, some of the potentials.

A picture shows one forward, so nothing is added up: the first one of a window counts, and only that one is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.excerpts import PotentialSampleReading, RasterReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.arrange import arranged, closely
from spikecheck.stats.base import State, Statistic, earliest, merged

STEPS = 128  # time steps, and
ROWS = 64  # neurons of a raster: what can still be told apart on a screen
POTENTIALS = 2048  # of a forward: a bin of a histogram that holds a twentieth of them is known to a tenth of itself


@dataclass(frozen=True)
class ExcerptState(State):
    """What was copied of one forward, and what it is a part of."""

    part: Tensor = merged(earliest)
    steps: int = merged(earliest)
    neurons: int = merged(earliest)
    elements: int = merged(earliest)
    update: int = merged(earliest)

    def shapes(self) -> tuple[object, ...]:
        """An excerpt is of the layer as it is: of another number of neurons, it is out of date."""
        return (self.neurons,)


def excerpt(capture: Capture[Tensor], x: Tensor, part: Tensor) -> ExcerptState:
    """The state that holds this part of x [time, batch, neuron]."""
    kept = torch.empty(part.shape, dtype=torch.float32, device=part.device).copy_(part)
    return ExcerptState(kept, x.shape[0] if x.numel() else 0, x.shape[2], x.numel(), capture.update)


class RasterStats(Statistic[ExcerptState]):
    """Spikes of the first sample, step by step.

    Unit: spikes per neuron per step. Layout: [time, batch, neuron]. Hides: every sample but one, most forwards, and of
    a large layer most neurons.
    """

    kind: ClassVar = SiteKind.SPIKES
    reading: ClassVar = RasterReading
    ordered: ClassVar = True
    once: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> ExcerptState:
        """Copy steps and neurons of the first sample."""
        x = arranged(capture)
        return excerpt(capture, x, x[:STEPS, :1, :: stride(x.shape[2])].flatten(0, 1))

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
    """Each so-many-th neuron has a row."""
    return max(1, -(-neurons // ROWS))


class PotentialSampleStats(Statistic[ExcerptState]):
    """Some membrane potentials, after each step, for a histogram.

    Unit: that of the threshold. Layout: [time, batch, neuron]. Hides: which neuron, which step; most forwards.
    """

    kind: ClassVar = SiteKind.POTENTIAL
    reading: ClassVar = PotentialSampleReading
    ordered: ClassVar = True
    once: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> ExcerptState:
        """Copy an even sample of one forward's potentials."""
        x = arranged(capture)
        return excerpt(capture, x, closely(x, POTENTIALS))

    def summarize(self, state: ExcerptState) -> tuple[PotentialSampleReading, ...]:
        """Copy the sample to the host."""
        return (PotentialSampleReading(tuple(state.part.tolist()), state.elements, state.update),)
