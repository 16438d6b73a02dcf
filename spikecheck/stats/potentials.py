"""Input currents and membrane potentials of a layer: level, extremes, and non-finite values."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import DriveReading, PotentialReading
from spikecheck.site import NeighborCorrelation, SiteKind
from spikecheck.stats.base import State, merged_by
from spikecheck.stats.layout import NonFiniteState, Raster, RasterStatistic, maximum, to_float
from spikecheck.stats.shares import SHARE_DIGITS

COMPARED_NEURONS = 16  # neurons compared, fewer in long sequences and large batches
COMPARED_VALUES = 40_960  # over so many, a correlation has a standard error of about 0.005
FEW_NEURONS = 64  # below, torch reduces along several axes at once without vector instructions
MIN_AXIS_LENGTH = 4  # shorter axes have no lag between 1 and half their length
ROUNDING = 1e-12  # fraction of the mean square; a smaller variance is the rounding error of a constant


@dataclass(frozen=True)
class PotentialState(State):
    """Maximum of each neuron, what the last time steps hold above 0, and non-finite values."""

    peaks: Tensor = merged_by(torch.maximum)
    final: Tensor = merged_by(torch.add)
    final_elements: int = merged_by(operator.add)
    bad: NonFiniteState = merged_by(operator.add)
    elements: int = merged_by(operator.add)
    time_axis_known: bool = merged_by(operator.and_)


@dataclass(frozen=True)
class CorrelationState(State):
    """Correlations along an axis, summed over the forward passes in which it is long enough."""

    neighbors: Tensor = merged_by(torch.add)
    distant: Tensor = merged_by(torch.add)
    difference: Tensor = merged_by(torch.add)
    squares: Tensor = merged_by(torch.add)
    forward_passes: int = merged_by(operator.add)

    @classmethod
    def of(cls, x: Tensor, axis: int) -> CorrelationState:
        """Build from the standardized currents [time, batch, neuron] of one forward pass."""
        length = x.shape[axis]
        neighbors, distant = lagged_correlation(x, axis, 1), lagged_correlation(x, axis, length // 2)
        return cls.compared(neighbors, distant, enough=length >= MIN_AXIS_LENGTH and x.numel() > 0)

    @classmethod
    def of_rows(cls, x: Tensor) -> CorrelationState:
        """Build from the same, of values as many places apart in [batch, time] as there are samples.

        `reshape` of [time, batch] into [batch, time] puts the successive time steps of a sample there. `distant` are
        the places beside. Only values of different samples are compared, around the mean of their time step. Where the
        number of samples is about a multiple of the time steps, some of them are of one time step: none are compared.
        """
        steps, samples = x.shape[:2]
        enough = min(steps, samples) >= MIN_AXIS_LENGTH and 1 < samples % steps < steps - 1 and x.numel() > 0
        if not enough:
            return cls.compared(x.new_zeros(()), x.new_zeros(()), enough=False)
        rows = (x - x.mean(1, keepdim=True)).transpose(0, 1).reshape(steps * samples, -1)
        before, at, after = (correlation_across(rows, steps, lag) for lag in (samples - 1, samples, samples + 1))
        return cls.compared(at, (before + after) / 2, enough=True)

    @classmethod
    def compared(cls, neighbors: Tensor, distant: Tensor, *, enough: bool) -> CorrelationState:
        """Return the state of one forward pass; of none where its axes are not long enough."""
        long_enough = int(enough)
        neighbors, distant = neighbors * long_enough, distant * long_enough
        difference = neighbors - distant
        return cls(neighbors, distant, difference, difference.square(), long_enough)

    def reading(self) -> NeighborCorrelation | None:
        """Return the mean correlations and the standard error of their difference; None for one forward pass or none.

        Waits for the device: call it in `summarize` only.
        """
        n = self.forward_passes
        if n <= 1:
            return None
        difference = float(self.difference) / n
        variance = max(0.0, float(self.squares) / n - difference**2) * n / (n - 1)
        values = (float(self.neighbors) / n, float(self.distant) / n, (variance / n) ** 0.5)
        return NeighborCorrelation(*(round(value, SHARE_DIGITS) for value in values))


def neuron_maxima(x: Tensor) -> Tensor:
    """Return the largest value of each neuron of [time, batch, neuron].

    For few neurons, two steps are twenty times as fast on a CPU.
    """
    return x.amax(0).amax(0) if x.numel() and x.shape[2] < FEW_NEURONS else maximum(x, (0, 1))


def lagged_correlation(x: Tensor, axis: int, lag: int) -> Tensor:
    """Return the correlation of entries at this lag along an axis; 0 if there are none."""
    pairs = max(0, x.shape[axis] - lag)
    product = x.narrow(axis, 0, pairs) * x.narrow(axis, x.shape[axis] - pairs, pairs)
    return product.sum() / max(1, product.numel())


def correlation_across(rows: Tensor, steps: int, lag: int) -> Tensor:
    """Return the correlation of rows at this lag, of those in different samples of so many rows each."""
    first = torch.arange(len(rows) - lag, device=rows.device)
    across = (first % steps + lag >= steps).to(rows).unsqueeze(1)
    return (rows[:-lag] * rows[lag:] * across).sum() / (across.sum() * rows.shape[1])


def standardize(x: Tensor) -> Tensor:
    """Sample neurons of [time, batch, neuron], subtract the mean of each, and scale to a total variance of 1 or 0."""
    neurons = max(1, min(COMPARED_NEURONS, COMPARED_VALUES // max(1, x[:, :, :1].numel())))
    sampled = x[:, :, :: -(-x.shape[2] // neurons) or 1].double()
    centered = sampled - sampled.mean((0, 1))
    variance, rounding = centered.square().mean(), ROUNDING * sampled.square().mean()
    return (centered / variance.where(variance > rounding, torch.inf).sqrt()).nan_to_num(0, 0, 0)


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
    step_correlation: CorrelationState = merged_by(operator.add)
    sample_correlation: CorrelationState = merged_by(operator.add)
    row_correlation: CorrelationState = merged_by(operator.add)


class DriveStats(RasterStatistic[DriveState]):
    """Input current of a spiking layer, before any scaling by the layer: level, extremes, correlations.

    Unit: that of the threshold.
    Input: currents [time, batch, neuron] of one forward pass.
    Memory: one float per neuron. Cost: about four reductions over the currents, and seven products over at most
    16 neurons and about 40,960 values, per forward pass.
    Not visible: single neurons without input, in the mean over all neurons.
    """

    kind: ClassVar = SiteKind.CURRENT
    reading: ClassVar = DriveReading

    def measure_raster(self, raster: Raster) -> DriveState:
        """Measure the currents of one forward pass."""
        x, per_step, update = raster.x, raster.batch_sums, raster.capture.update
        standardized = standardize(x)
        return DriveState(
            total=per_step.sum(dtype=torch.float64),
            squares=torch.linalg.vector_norm(x).double().square(),
            peaks=neuron_maxima(x),
            bad=NonFiniteState.of(per_step, update),
            forward_passes=1,
            steps=x.shape[0] if x.numel() else 0,
            elements=x.numel(),
            time_axis_known=raster.time_axis_known,
            step_correlation=CorrelationState.of(standardized, 0),
            sample_correlation=CorrelationState.of(standardized, 1),
            row_correlation=CorrelationState.of_rows(standardized),
        )

    def summarize(self, state: DriveState) -> tuple[DriveReading, ...]:
        """Copy the levels to the host."""
        n = max(1, state.elements)
        return (
            DriveReading(
                forward_passes=state.forward_passes,
                time_steps=state.steps,
                mean=state.total.item() / n,
                rms=(state.squares.item() / n) ** 0.5,
                maximum=to_float(maximum(state.peaks), state.elements),
                peak=to_float(state.peaks.mean(), state.elements),
                non_finite=state.bad.reading(state.time_axis_known),
                step_correlation=state.step_correlation.reading(),
                sample_correlation=state.sample_correlation.reading(),
                row_correlation=state.row_correlation.reading(),
            ),
        )


class PotentialStats(RasterStatistic[PotentialState]):
    """Membrane potentials after each time step, after the reset, of layers that expose them.

    Unit: that of the threshold.
    Input: potentials [time, batch, neuron] of one forward pass.
    Memory: one float per neuron. Cost: two reductions over the potentials per forward pass, and one over its last step.
    Not visible: the potential between charging and reset.
    """

    kind: ClassVar = SiteKind.POTENTIAL
    reading: ClassVar = PotentialReading

    def measure_raster(self, raster: Raster) -> PotentialState:
        """Measure the potentials of one forward pass."""
        final = raster.x[-1:].clamp(min=0)
        return PotentialState(
            peaks=neuron_maxima(raster.x),
            final=final.sum(dtype=torch.float64),
            final_elements=final.numel(),
            bad=NonFiniteState.of(raster.batch_sums, raster.capture.update),
            elements=raster.x.numel(),
            time_axis_known=raster.time_axis_known,
        )

    def summarize(self, state: PotentialState) -> tuple[PotentialReading, ...]:
        """Copy the maximum to the host."""
        return (
            PotentialReading(
                maximum=to_float(maximum(state.peaks), state.elements),
                non_finite=state.bad.reading(state.time_axis_known),
                final=to_float(state.final / max(1, state.final_elements), state.final_elements),
            ),
        )
