"""Currents into a layer and membrane potentials in it: how large, and whether finite."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import DriveReading, PotentialReading
from spikecheck.site import Capture, NeighborCorrelation, SiteKind
from spikecheck.stats.arrange import BadState, arranged, highest, lowest, told
from spikecheck.stats.base import State, Statistic, merged
from spikecheck.stats.parts import DIGITS

COMPARED = (
    64  # neurons of which steps and samples are compared: a correlation of 0.1 over 40 x 64 x 64 is known to 0.003
)
SHORTEST = 4  # of an axis: below, there is no lag between neighbours and half of it
ROUNDING = 1e-12  # of the mean square: a variance below is what rounding leaves of a constant


@dataclass(frozen=True)
class LevelState(State):
    """Sums and extremes of a continuous quantity."""

    total: Tensor = merged(torch.add)
    squares: Tensor = merged(torch.add)
    minimum: Tensor = merged(torch.minimum)
    peaks: Tensor = merged(torch.maximum)  # of each neuron
    bad: BadState = merged(operator.add)
    forward_passes: int = merged(operator.add)
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
        forward_passes=1,
        steps=x.shape[0] if x.numel() else 0,
        elements=x.numel(),
        timed=capture.layout.time is not None,
    )


@dataclass(frozen=True)
class AxisState(State):
    """Correlations along an axis, summed over the forwards in which it was long enough."""

    near: Tensor = merged(torch.add)
    far: Tensor = merged(torch.add)
    order: Tensor = merged(torch.add)
    squares: Tensor = merged(torch.add)
    forward_passes: int = merged(operator.add)

    @classmethod
    def of(cls, x: Tensor, axis: int) -> AxisState:
        """From one forward's currents around their mean [time, batch, neuron], scaled to a variance of 1."""
        length = x.shape[axis]
        near, far = lagged(x, axis, 1), lagged(x, axis, length // 2)
        long_enough = int(length >= SHORTEST and x.numel() > 0)
        near, far = near * long_enough, far * long_enough
        return cls(near, far, near - far, (near - far).square(), long_enough)

    def reading(self) -> NeighborCorrelation | None:
        """In plain numbers; summarize alone may call this, since it waits for the device."""
        n = self.forward_passes
        if n <= 1:
            return None
        order = float(self.order) / n
        variance = max(0.0, float(self.squares) / n - order**2) * n / (n - 1)
        values = (float(self.near) / n, float(self.far) / n, (variance / n) ** 0.5)
        return NeighborCorrelation(*(round(value, DIGITS) for value in values))


def lagged(x: Tensor, axis: int, lag: int) -> Tensor:
    """The correlation of entries that lie so far apart along an axis; 0 where there are none."""
    pairs = max(0, x.shape[axis] - lag)
    product = x.narrow(axis, 0, pairs) * x.narrow(axis, x.shape[axis] - pairs, pairs)
    return product.sum() / max(1, product.numel())


def standardised(x: Tensor) -> Tensor:
    """An even sample of the neurons of [time, batch, neuron], each around its mean; over all, a variance of 1 or 0."""
    few = x[:, :, :: -(-x.shape[2] // COMPARED) or 1].double()
    centred = few - few.mean((0, 1))
    variance, rounding = centred.square().mean(), ROUNDING * few.square().mean()
    return (centred / variance.where(variance > rounding, torch.inf).sqrt()).nan_to_num(0, 0, 0)


@dataclass(frozen=True)
class DriveState(LevelState):
    """Levels, and how alike steps and samples are."""

    step_correlation: AxisState = merged(operator.add)
    sample_correlation: AxisState = merged(operator.add)


class DriveStats(Statistic[DriveState]):
    """The current into a spiking layer, before anything that the layer does to it.

    Unit: that of the threshold. Layout: [time, batch, neuron]. Hides: a mean over neurons hides the few that get
    nothing.
    """

    kind: ClassVar = SiteKind.CURRENT
    reading: ClassVar = DriveReading

    def measure(self, capture: Capture[Tensor]) -> DriveState:
        """Measure one forward's currents."""
        x = standardised(arranged(capture))
        return DriveState(
            **vars(level(capture)), step_correlation=AxisState.of(x, 0), sample_correlation=AxisState.of(x, 1)
        )

    def summarize(self, state: DriveState) -> tuple[DriveReading, ...]:
        """Copy the levels to the host."""
        n = max(1, state.elements)
        return (
            DriveReading(
                forward_passes=state.forward_passes,
                time_steps=state.steps,
                elements=state.elements,
                mean=state.total.item() / n,
                rms=(state.squares.item() / n) ** 0.5,
                minimum=told(state.minimum, state.elements),
                maximum=told(highest(state.peaks), state.elements),
                peak=told(state.peaks.mean(), state.elements),
                non_finite=state.bad.reading(state.timed),
                step_correlation=state.step_correlation.reading(),
                sample_correlation=state.sample_correlation.reading(),
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

    def summarize(self, state: LevelState) -> tuple[PotentialReading, ...]:
        """Copy the levels to the host."""
        n = max(1, state.elements)
        return (
            PotentialReading(
                forward_passes=state.forward_passes,
                time_steps=state.steps,
                elements=state.elements,
                mean=state.total.item() / n,
                rms=(state.squares.item() / n) ** 0.5,
                minimum=told(state.minimum, state.elements),
                maximum=told(highest(state.peaks), state.elements),
                non_finite=state.bad.reading(state.timed),
            ),
        )
