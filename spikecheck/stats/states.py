"""State of a spiking layer at the start of a sequence and in the middle of it."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import EvaluationStateReading, StateReading
from spikecheck.site import Capture, SiteKind
from spikecheck.state_readings import MemoryReading
from spikecheck.stats.base import State, Statistic, merged_by
from spikecheck.stats.layout import is_known

ALIKE = 1e-5  # relative tolerance: float32 rounding in a sum of a thousand terms
APART = 0.1  # relative distance from a multiple of the current above which a state is informative
TINY = 1e-300  # avoids a division by 0
COMPARED_NEURONS = 1_024  # an even sample of them tells as much
ROUNDING = 1e-12  # of a value: a smaller difference from the mean is the rounding error of that
MIN_SAMPLES = 4  # of a batch: with fewer, there are next to no other samples to compare with


@dataclass(frozen=True)
class InitialState(State):
    """Number of sequences that started with a nonzero state."""

    carried: Tensor = merged_by(torch.add)
    largest: Tensor = merged_by(torch.maximum)
    sequences: int = merged_by(operator.add)


@dataclass(frozen=True)
class Continuation(State):
    """How well the states of samples go with the samples' own currents, and its variance if they are unrelated."""

    score: Tensor = merged_by(torch.add)
    variance: Tensor = merged_by(torch.add)

    @classmethod
    def of(cls, capture: Capture[Tensor]) -> Continuation:
        """Compare the state of each sample with the first current of every sample.

        The products of centered states and currents add up to 0 in each row and column. So if they are unrelated, the
        sum over the samples' own products has the mean 0 and the variance of a sum over a random permutation.
        """
        current = next(iter(capture.step_tensors), capture.values[0])
        state = next((v for v in capture.values if v.shape == current.shape), current)
        samples = len(current) if current.dim() > 1 else 0
        is_zero = is_known((state == 0).all())  # as after a reset; then all products are 0
        if not capture.step_tensors or state is current or samples < MIN_SAMPLES or is_zero:
            nothing = torch.zeros((), dtype=torch.float64, device=current.device)
            return cls(nothing, nothing)
        products = centered(state) @ centered(current).T
        scale = products.norm()
        score = (products.trace() / scale).nan_to_num(0, 0, 0)
        return cls(score, (scale / scale).nan_to_num(0, 0, 0) / (samples - 1))


@dataclass(frozen=True)
class SequenceStart(State):
    """The initial state, and whether it goes with what follows."""

    initial: InitialState = merged_by(operator.add)
    continuation: Continuation = merged_by(operator.add)


def centered(x: Tensor) -> Tensor:
    """Return an even sample of the neurons of [batch, ...], less the mean over the batch."""
    flat = x.detach().flatten(1)
    sampled = flat[:, :: -(-flat.shape[1] // COMPARED_NEURONS) or 1].double()
    difference = sampled - sampled.mean(0)
    return difference.where(difference.abs() > ROUNDING * sampled.abs(), 0)


def initial_state(capture: Capture[Tensor]) -> InitialState:
    """Measure the state at the start of one sequence or time step."""
    maxima = [v.detach().float().abs().amax() for v in capture.values if v.numel()]
    largest = torch.stack(maxima).amax() if maxima else torch.zeros((), device=capture.values[0].device)
    return InitialState((largest != 0).int(), largest, 1)


class InitialStateStats(Statistic[SequenceStart]):
    """State of a layer before the first time step of a sequence.

    Unit: that of the threshold; standard errors.
    Input: the state tensors of one layer, of any shape; `step_tensors` holds the current of the first time step.
    Memory: five numbers. Cost: one maximum per tensor and sequence, and a product of all pairs of samples.
    Not visible: which sample.
    """

    kind: ClassVar = SiteKind.STATE
    reading: ClassVar = StateReading
    evaluation_reading: ClassVar = EvaluationStateReading

    def measure(self, capture: Capture[Tensor]) -> SequenceStart:
        """Measure the initial state of one sequence."""
        return SequenceStart(initial_state(capture), Continuation.of(capture))

    def summarize(self, state: SequenceStart) -> tuple[StateReading, ...]:
        """Copy the counts to the host."""
        initial, variance = state.initial, float(state.continuation.variance)
        score = float(state.continuation.score) / variance**0.5 if variance else None
        return (StateReading(initial.sequences, int(initial.carried), initial.largest.item(), score),)


@dataclass(frozen=True)
class MemoryState(State):
    """Number of forward passes with a nonzero state, and whether the next state depends on it."""

    initial: InitialState = merged_by(operator.add)
    informative: Tensor = merged_by(torch.add)
    memoryless: Tensor = merged_by(torch.add)


class MemoryStats(Statistic[MemoryState]):
    """State in the middle of a sequence, of layers called once per time step: detects a state that is not used.

    A layer without memory returns a next state that is a multiple of its input current. An element is informative if it
    did not spike and its previous state is not a multiple of the current: then a next state that is one shows that the
    previous state was ignored.

    Unit: that of the threshold; counts of elements.
    Input: the previous state tensors of one layer; `step_tensors` holds spikes, current and the next state.
    Memory: five numbers. Cost: one least-squares factor per state tensor, once per forward pass.
    Not visible: which time step.
    """

    kind: ClassVar = SiteKind.MEMORY
    reading: ClassVar = MemoryReading

    def measure(self, capture: Capture[Tensor]) -> MemoryState:
        """Measure the previous state, and compare the next state with the current."""
        informative = informative_elements(capture)
        return MemoryState(
            initial_state(capture), informative.sum(), (informative & memoryless_elements(capture)).sum()
        )

    def summarize(self, state: MemoryState) -> tuple[MemoryReading, ...]:
        """Copy the counts to the host."""
        counts = (int(count) for count in (state.initial.carried, state.informative, state.memoryless))
        return (MemoryReading(state.initial.sequences, *counts),)


def informative_elements(capture: Capture[Tensor]) -> Tensor:
    """Mark the informative elements: no spike, and a previous state that is not a multiple of the current.

    States of 0 or 1 are excluded: they may be the previous spikes, which a layer without recurrence does not use.
    """
    if not capture.step_tensors:
        return torch.zeros(1, dtype=torch.bool, device=capture.values[0].device)
    spikes, current, *_ = capture.step_tensors
    silent, before = spikes == 0, [value for value in capture.values if value.shape == spikes.shape]
    candidates = [(b != 0) & (b != 1) & ~is_multiple(b, current, silent, APART) for b in before]
    return silent & torch.stack(candidates).any(0) if candidates else torch.zeros_like(silent)


def memoryless_elements(capture: Capture[Tensor]) -> Tensor:
    """Mark elements whose next state is a multiple of the current; none if the current does not decide the spikes."""
    if not capture.step_tensors:
        return torch.zeros(1, dtype=torch.bool, device=capture.values[0].device)
    spikes, current, *after = capture.step_tensors
    silent = spikes == 0
    below, above = current.where(silent, -torch.inf).amax(), current.where(~silent, torch.inf).amin()
    multiples = torch.stack([is_multiple(value, current, silent, ALIKE) for value in after]).all(0)
    return multiples & (below <= above)


def is_multiple(x: Tensor, current: Tensor, where: Tensor, tolerance: float) -> Tensor:
    """Mark the elements of x that equal the current times one common factor (from least squares)."""
    x, current = (value.double().where(where, 0) for value in (x, current))
    nearest = (x * current).sum() / (current * current).sum().clamp(min=TINY) * current
    return (x - nearest).abs() <= tolerance * nearest.abs()
