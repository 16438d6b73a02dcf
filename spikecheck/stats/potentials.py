"""Currents into a layer and membrane potentials in it: how large, and whether finite."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import DriveReading, PotentialReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.arrange import BadState, arranged, highest, lowest, told
from spikecheck.stats.base import State, Statistic, merged


@dataclass(frozen=True)
class LevelState(State):
    """Sums and extremes of a continuous quantity."""

    total: Tensor = merged(torch.add)
    squares: Tensor = merged(torch.add)
    minimum: Tensor = merged(torch.minimum)
    peaks: Tensor = merged(torch.maximum)  # of each neuron
    bad: BadState = merged(operator.add)
    forwards: int = merged(operator.add)
    steps: int = merged(operator.add)
    elements: int = merged(operator.add)
    timed: bool = merged(operator.and_)


def level(capture: Capture[Tensor]) -> LevelState:
    """Measure one forward's values."""
    x = arranged(capture)
    per_step = x.sum(1)
    return LevelState(
        total=per_step.sum(dtype=torch.float64),
        squares=torch.linalg.vector_norm(x).double().square(),
        minimum=lowest(x),
        peaks=highest(x, (0, 1)),
        bad=BadState.of(per_step, capture.update),
        forwards=1,
        steps=x.shape[0] if x.numel() else 0,
        elements=x.numel(),
        timed=capture.layout.time is not None,
    )


class DriveStats(Statistic[LevelState]):
    """The current into a spiking layer, before anything that the layer does to it.

    Unit: that of the threshold. Layout: [time, batch, neuron]. Hides: a mean over neurons hides the few that get
    nothing.
    """

    kind: ClassVar = SiteKind.CURRENT
    reading: ClassVar = DriveReading

    def measure(self, capture: Capture[Tensor]) -> LevelState:
        """Measure one forward's currents."""
        return level(capture)

    def summarise(self, state: LevelState) -> tuple[DriveReading, ...]:
        """Copy the levels to the host."""
        n = max(1, state.elements)
        return (
            DriveReading(
                forwards=state.forwards,
                steps=state.steps,
                elements=state.elements,
                mean=state.total.item() / n,
                rms=(state.squares.item() / n) ** 0.5,
                minimum=told(state.minimum, state.elements),
                maximum=told(highest(state.peaks), state.elements),
                peak=told(state.peaks.mean(), state.elements),
                non_finite=state.bad.reading(state.timed),
            ),
        )


class PotentialStats(Statistic[LevelState]):
    """Membrane potentials after each step, reset included, of the layers that show theirs.

    Unit: that of the threshold. Layout: [time, batch, neuron]. Hides: what the potential was between charge and reset.
    """

    kind: ClassVar = SiteKind.POTENTIAL
    reading: ClassVar = PotentialReading

    def measure(self, capture: Capture[Tensor]) -> LevelState:
        """Measure one forward's potentials."""
        return level(capture)

    def summarise(self, state: LevelState) -> tuple[PotentialReading, ...]:
        """Copy the levels to the host."""
        n = max(1, state.elements)
        return (
            PotentialReading(
                forwards=state.forwards,
                steps=state.steps,
                elements=state.elements,
                mean=state.total.item() / n,
                rms=(state.squares.item() / n) ** 0.5,
                minimum=told(state.minimum, state.elements),
                maximum=told(highest(state.peaks), state.elements),
                non_finite=state.bad.reading(state.timed),
            ),
        )
