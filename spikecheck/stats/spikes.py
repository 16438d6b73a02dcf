"""Spikes of a layer: how many, of which values, by which neurons."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import SpikeReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.arrange import (
    BadState,
    arranged,
    closely,
    distinct,
    highest,
    join_distinct,
    lowest,
    nonzero,
    told,
)
from spikecheck.stats.base import State, Statistic, merged
from spikecheck.stats.parts import PartState

SATURATED = 0.95  # share of steps and samples: a neuron that skips one step in twenty still carries next to nothing

RATES = 1024  # neurons whose rates are told one by one: enough for a histogram


@dataclass(frozen=True)
class SpikeState(State):
    """Sums over everything seen, and extremes."""

    per_neuron: Tensor = merged(torch.add)
    active_per_neuron: Tensor = merged(torch.add)
    minimum: Tensor = merged(torch.minimum)
    maximum: Tensor = merged(torch.maximum)
    non_binary: Tensor = merged(torch.add)
    values: Tensor = merged(join_distinct)
    non_integer: Tensor = merged(torch.add)
    most: Tensor = merged(torch.maximum)
    least: Tensor = merged(torch.minimum)
    consecutive_products: Tensor = merged(torch.add)
    bad: BadState = merged(operator.add)
    sampled_elements: int = merged(operator.add)
    forward_passes: int = merged(operator.add)
    steps: int = merged(operator.add)
    samples: int = merged(operator.add)
    step_variance_share: PartState = merged(operator.add)
    sample_variance_share: PartState = merged(operator.add)
    bins: int = merged(operator.add)  # steps * samples, of each forward
    timed: bool = merged(operator.and_)


class SpikeStats(Statistic[SpikeState]):
    """Spikes of a site.

    Unit: spikes per neuron per step. Layout: [time, batch, neuron]. Hides: a sum over the batch hides a class for
    which the whole layer is silent.
    """

    kind: ClassVar = SiteKind.SPIKES
    reading: ClassVar = SpikeReading

    def measure(self, capture: Capture[Tensor]) -> SpikeState:
        """Count one forward's spikes."""
        x = arranged(capture)
        steps, samples, _ = x.shape
        per_step = x.sum(1)
        per_sample = x.sum(0) if steps else x.new_zeros(0)
        tops = highest(x.flatten(1), (1,))
        look = closely(x)
        return SpikeState(
            per_neuron=per_step.sum(0, dtype=torch.float64),
            active_per_neuron=nonzero(x, (0, 1)).double(),
            minimum=lowest(x),
            maximum=highest(tops),
            non_binary=nonzero(torch.addcmul(x, x, x, value=-1), (0, 1, 2)).double(),
            values=distinct(torch.cat([look, tops]) if x.numel() else look),
            non_integer=look.frac().count_nonzero(),
            most=highest(per_sample),
            least=lowest(per_sample),
            consecutive_products=torch.dot(x[1:].flatten(), x[:-1].flatten()).double(),
            bad=BadState.of(per_step, capture.update),
            sampled_elements=look.numel(),
            forward_passes=1,
            steps=steps if x.numel() else 0,
            samples=samples,
            step_variance_share=PartState.of(per_step.sum(1)),
            sample_variance_share=PartState.of(per_sample.sum(1) if steps else x.new_zeros(samples)),
            bins=steps * samples,
            timed=capture.layout.time is not None,
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
                minimum=told(state.minimum, elements),
                maximum=told(state.maximum, elements),
                values=tuple(v + 0.0 for v in state.values.tolist() if v != torch.inf),
                non_binary=int(state.non_binary),
                sampled_elements=state.sampled_elements,
                non_integer=int(state.non_integer),
                silent_neurons=sum(n == 0 for n in active) if bins else 0,
                saturated_neurons=sum(n >= SATURATED * bins for n in active) if bins else 0,
                max_count=told(state.most, elements),
                min_count=told(state.least, elements),
                non_finite=state.bad.reading(state.timed),
                time_axis_known=state.timed,
                step_variance_share=state.step_variance_share.told(),
                sample_variance_share=state.sample_variance_share.told(),
                profile=tuple(state.step_variance_share.profile().tolist()),
                rates=tuple((closely(state.per_neuron, RATES) / bins).tolist()) if bins else (),
                consecutive_products=state.consecutive_products.item(),
            ),
        )
