"""Spikes of a layer: counts, values, and firing rates per neuron."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from spikecheck.readings import SpikeReading
from spikecheck.site import SiteKind
from spikecheck.stats.base import State, merged_by
from spikecheck.stats.layout import (
    NonFiniteState,
    Raster,
    RasterStatistic,
    even_sample,
    is_known,
    maximum,
    merge_distinct,
    minimum,
    smallest_distinct,
    square_sum,
    to_float,
)
from spikecheck.stats.shares import ShareState

SATURATED = (
    0.95  # fraction of steps and samples: a neuron that skips one step in twenty still carries almost no information
)

COMPARED_AT_ONCE = 2**20  # values whose sums are compared: one that is 0.1 from 0 or 1 shows among as many spikes
MAX_RATES = 1024  # neurons whose rates are returned: enough for a histogram


@dataclass(frozen=True)
class SpikeState(State):
    """Sums and extremes over all forward passes."""

    per_neuron: Tensor = merged_by(torch.add)
    active_per_neuron: Tensor = merged_by(torch.add)
    minimum: Tensor = merged_by(torch.minimum)
    maximum: Tensor = merged_by(torch.maximum)
    non_binary: Tensor = merged_by(torch.add)
    values: Tensor = merged_by(merge_distinct)
    non_integer: Tensor = merged_by(torch.add)
    max_count: Tensor = merged_by(torch.maximum)
    min_count: Tensor = merged_by(torch.minimum)
    consecutive_products: Tensor = merged_by(torch.add)
    bad: NonFiniteState = merged_by(operator.add)
    sampled_elements: int = merged_by(operator.add)
    forward_passes: int = merged_by(operator.add)
    steps: int = merged_by(operator.add)
    samples: int = merged_by(operator.add)
    step_variance_share: ShareState = merged_by(operator.add)
    sample_variance_share: ShareState = merged_by(operator.add)
    bins: int = merged_by(operator.add)  # time steps * samples, summed over forward passes
    time_axis_known: bool = merged_by(operator.and_)


class Values(NamedTuple):
    """Which values the spikes of a forward pass have. Where all are 0 or 1, their sums and extremes tell."""

    active_per_neuron: Tensor
    non_binary: Tensor
    smallest: Tensor

    @classmethod
    def counted(cls, x: Tensor, sample: Tensor, step_maxima: Tensor) -> Values:
        """Count them."""
        scratch = torch.empty_like(x)  # floats: counting bools takes two to five times as long on a CPU
        active = torch.ne(x, 0, out=scratch).sum((0, 1)).double()
        non_binary = torch.addcmul(x, x, x, value=-1, out=scratch).ne_(0).sum().double()
        return cls(active, non_binary, smallest_distinct(torch.cat([sample, step_maxima]) if x.numel() else sample))


class SpikeStats(RasterStatistic[SpikeState]):
    """Spikes of a layer: count, values, silent and saturated neurons, largest count, shares of steps and samples.

    Unit: spikes per neuron and time step.
    Input: spikes [time, batch, neuron] of one forward pass.
    Memory: two floats per neuron, three per time step and per sample. Cost: six reductions over the spikes per forward
    pass; where some are neither 0 nor 1, or in a GPU's memory, three more and one sort of 4,096 elements.
    Not visible: which sample (a layer may be silent for one class), which time step of one forward pass.
    """

    kind: ClassVar = SiteKind.SPIKES
    reading: ClassVar = SpikeReading

    def measure_raster(self, raster: Raster) -> SpikeState:
        """Measure the spikes of one forward pass."""
        x, per_step, capture = raster.x, raster.batch_sums, raster.capture
        steps, samples, _ = x.shape
        per_sample = x.sum(0) if steps else x.new_zeros(0)
        lowest, highest, per_neuron = minimum(x), maximum(raster.step_maxima), per_step.sum(0, dtype=torch.float64)
        sample = even_sample(x)
        if are_binary(x, raster.step_sums, lowest, highest):
            values = Values(per_neuron, per_neuron.new_zeros(()), smallest_distinct(torch.stack([lowest, highest])))
        else:
            values = Values.counted(x, sample, raster.step_maxima)
        return SpikeState(
            per_neuron=per_neuron,
            active_per_neuron=values.active_per_neuron,
            minimum=lowest,
            maximum=highest,
            non_binary=values.non_binary,
            values=values.smallest,
            non_integer=sample.frac().count_nonzero(),
            max_count=maximum(per_sample),
            min_count=minimum(per_sample),
            consecutive_products=torch.dot(x[1:].flatten(), x[:-1].flatten()).double(),
            bad=NonFiniteState.of_steps(raster.step_sums, capture.update),
            sampled_elements=sample.numel(),
            forward_passes=1,
            steps=steps if x.numel() else 0,
            samples=samples,
            step_variance_share=ShareState.of(per_step.sum(1)),
            sample_variance_share=ShareState.of(per_sample.sum(1) if steps else x.new_zeros(samples)),
            bins=steps * samples,
            time_axis_known=raster.time_axis_known,
        )

    def summarize(self, state: SpikeState) -> tuple[SpikeReading, ...]:
        """Copy the counts to the host."""
        bins, neurons = state.bins, len(state.per_neuron)
        elements = bins * neurons
        active = state.active_per_neuron.tolist()
        return (
            SpikeReading(
                forward_passes=state.forward_passes,
                time_steps=state.steps,
                samples=state.samples,
                neurons=neurons,
                elements=elements,
                count=state.per_neuron.sum().item(),
                active=int(sum(active)),
                minimum=to_float(state.minimum, elements),
                maximum=to_float(state.maximum, elements),
                values=tuple(v + 0.0 for v in state.values.tolist() if v != torch.inf),
                non_binary=int(state.non_binary),
                sampled_elements=state.sampled_elements,
                non_integer=int(state.non_integer),
                silent_neurons=sum(n == 0 for n in active) if bins else 0,
                saturated_neurons=sum(n >= SATURATED * bins for n in active) if bins else 0,
                max_count=to_float(state.max_count, elements),
                min_count=to_float(state.min_count, elements),
                non_finite=state.bad.reading(state.time_axis_known),
                time_axis_known=state.time_axis_known,
                step_variance_share=state.step_variance_share.variance_explained(),
                sample_variance_share=state.sample_variance_share.variance_explained(),
                profile=tuple(state.step_variance_share.profile().tolist()),
                rates=tuple((even_sample(state.per_neuron, MAX_RATES) / bins).tolist()) if bins else (),
                consecutive_products=state.consecutive_products.item(),
            ),
        )


def are_binary(x: Tensor, step_sums: Tensor, lowest: Tensor, highest: Tensor) -> bool:
    """Return whether all values are known to be 0 or 1.

    Between 0 and 1, a square is smaller than its value. So the sums of the values and of their squares agree only where
    all are 0 or 1. Both are whole numbers then, which float32 adds without error up to 2**24.
    """
    of_step = x.shape[1:].numel()
    if not x.numel() or of_step > COMPARED_AT_ONCE or not is_known((lowest >= 0) & (highest <= 1)):
        return False
    steps = COMPARED_AT_ONCE // of_step
    parts = [slice(at, at + steps) for at in range(0, len(x), steps)]
    return all(is_known(square_sum(x[part]) == step_sums[part].sum()) for part in parts)
