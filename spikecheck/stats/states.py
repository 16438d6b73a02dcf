"""State of a spiking layer at the start of a sequence and in the middle of it."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import EvaluationStateReading, MemoryReading, StateReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import State, Statistic, merged_by

ALIKE = 1e-5  # relative tolerance: float32 rounding in a sum of a thousand terms
APART = 0.1  # relative distance from a multiple of the current above which a state is informative
TINY = 1e-300  # avoids a division by 0


@dataclass(frozen=True)
class InitialState(State):
    """Number of sequences that started with a nonzero state."""

    carried: Tensor = merged_by(torch.add)
    largest: Tensor = merged_by(torch.maximum)
    sequences: int = merged_by(operator.add)


def initial_state(capture: Capture[Tensor]) -> InitialState:
    """Measure the state at the start of one sequence or time step."""
    maxima = [v.detach().float().abs().amax() for v in capture.values if v.numel()]
    largest = torch.stack(maxima).amax() if maxima else torch.zeros((), device=capture.values[0].device)
    return InitialState((largest != 0).int(), largest, 1)


class InitialStateStats(Statistic[InitialState]):
    """State of a layer before the first time step of a sequence.

    Unit: that of the threshold.
    Input: the state tensors of one layer, of any shape.
    Memory: three numbers. Cost: one maximum per tensor and sequence.
    Not visible: which sample.
    """

    kind: ClassVar = SiteKind.STATE
    reading: ClassVar = StateReading
    evaluation_reading: ClassVar = EvaluationStateReading

    def measure(self, capture: Capture[Tensor]) -> InitialState:
        """Measure the initial state of one sequence."""
        return initial_state(capture)

    def summarize(self, state: InitialState) -> tuple[StateReading, ...]:
        """Copy the counts to the host."""
        return (StateReading(state.sequences, int(state.carried), state.largest.item()),)


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
