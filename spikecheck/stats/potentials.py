"""Input currents and membrane potentials of a layer: level, extremes, and non-finite values."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import DriveReading, PotentialReading
from spikecheck.site import SiteKind
from spikecheck.stats.base import State, merged_by
from spikecheck.stats.correlations import CorrelationState
from spikecheck.stats.layout import NonFiniteState, Raster, RasterStatistic, maximum, to_float

FEW_NEURONS = 64  # below, torch reduces along several axes at once without vector instructions


@dataclass(frozen=True)
class PotentialState(State):
    """The largest value, what the last time steps hold above 0, and time steps with a non-finite value."""

    maximum: Tensor = merged_by(torch.maximum)
    final: Tensor = merged_by(torch.add)
    final_elements: int = merged_by(operator.add)
    bad: NonFiniteState = merged_by(operator.add)
    elements: int = merged_by(operator.add)
    time_axis_known: bool = merged_by(operator.and_)


def neuron_maxima(x: Tensor) -> Tensor:
    """Return the largest value of each neuron of [time, batch, neuron].

    For few neurons, two steps are twenty times as fast on a CPU.
    """
    return x.amax(0).amax(0) if x.numel() and x.shape[2] < FEW_NEURONS else maximum(x, (0, 1))


@dataclass(frozen=True)
class DriveState(State):
    """Sums and maxima of the currents, and their correlations along time and batch."""

    total: Tensor = merged_by(torch.add)
    squares: Tensor = merged_by(torch.add)
    peaks: Tensor = merged_by(torch.maximum)  # of each neuron
    bad: NonFiniteState = merged_by(operator.add)
    forward_passes: int = merged_by(operator.add)
    steps: int = merged_by(operator.add)
    elements: int = merged_by(operator.add)
    time_axis_known: bool = merged_by(operator.and_)
    correlations: CorrelationState = merged_by(operator.add)


class DriveStats(RasterStatistic[DriveState]):
    """Input current of a spiking layer, before any scaling by the layer: level, extremes, correlations.

    Unit: that of the threshold.
    Input: currents [time, batch, neuron] of one forward pass.
    Memory: one float per neuron. Cost: three reductions over the currents, and seven products over at most 16 neurons
    and about 40,960 values, per forward pass.
    Not visible: single neurons without input, in the mean over all neurons; correlations behind the first layer.
    """

    kind: ClassVar = SiteKind.CURRENT
    reading: ClassVar = DriveReading

    def measure_raster(self, raster: Raster) -> DriveState:
        """Measure the currents of one forward pass."""
        x, sums = raster.x, raster.step_sums
        return DriveState(
            total=sums.sum(dtype=torch.float64),
            squares=torch.linalg.vector_norm(x).double().square(),
            peaks=neuron_maxima(x),
            bad=NonFiniteState.of_steps(sums, raster.capture.update),
            forward_passes=1,
            steps=x.shape[0] if x.numel() else 0,
            elements=x.numel(),
            time_axis_known=raster.time_axis_known,
            correlations=CorrelationState.of(x) if raster.capture.is_first else CorrelationState.nothing(x),
        )

    def summarize(self, state: DriveState) -> tuple[DriveReading, ...]:
        """Copy the levels to the host."""
        n = max(1, state.elements)
        by_step, by_sample, by_row = state.correlations.readings(state.correlations.sums().tolist())
        return (
            DriveReading(
                forward_passes=state.forward_passes,
                time_steps=state.steps,
                mean=state.total.item() / n,
                rms=(state.squares.item() / n) ** 0.5,
                maximum=to_float(maximum(state.peaks), state.elements),
                peak=to_float(state.peaks.mean(), state.elements),
                non_finite=state.bad.reading(state.time_axis_known),
                step_correlation=by_step,
                sample_correlation=by_sample,
                row_correlation=by_row,
            ),
        )


class PotentialStats(RasterStatistic[PotentialState]):
    """Membrane potentials after each time step, after the reset, of layers that expose them.

    Unit: that of the threshold.
    Input: potentials [time, batch, neuron] of one forward pass.
    Memory: three numbers. Cost: two reductions over the potentials per forward pass, and one over its last step.
    Not visible: the potential between charging and reset.
    """

    kind: ClassVar = SiteKind.POTENTIAL
    reading: ClassVar = PotentialReading

    def measure_raster(self, raster: Raster) -> PotentialState:
        """Measure the potentials of one forward pass."""
        final = raster.x[-1:].clamp(min=0)
        return PotentialState(
            maximum=maximum(raster.x),
            final=final.sum(dtype=torch.float64),
            final_elements=final.numel(),
            bad=NonFiniteState.of_steps(raster.step_sums, raster.capture.update),
            elements=raster.x.numel(),
            time_axis_known=raster.time_axis_known,
        )

    def summarize(self, state: PotentialState) -> tuple[PotentialReading, ...]:
        """Copy the maximum to the host."""
        return (
            PotentialReading(
                maximum=to_float(state.maximum, state.elements),
                non_finite=state.bad.reading(state.time_axis_known),
                final=to_float(state.final / max(1, state.final_elements), state.final_elements),
            ),
        )
