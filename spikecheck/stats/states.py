"""What a spiking layer's potential is when a sequence begins, and when it goes on."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import MemoryReading, StateReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import State, Statistic, merged

ALIKE = 1e-5  # relative: what float32 rounds off a sum of a thousand terms
APART = 0.1  # relative: a state that is nearer to a multiple of the current says nothing of whether it was used
LEAST = 1e-300  # in place of dividing by 0


@dataclass(frozen=True)
class StartState(State):
    """How many sequences began with something left over."""

    carried: Tensor = merged(torch.add)
    largest: Tensor = merged(torch.maximum)
    sequences: int = merged(operator.add)


def begun(capture: Capture[Tensor]) -> StartState:
    """What one sequence, or one step, began with."""
    tops = [v.detach().float().abs().amax() for v in capture.values if v.numel()]
    top = torch.stack(tops).amax() if tops else torch.zeros((), device=capture.values[0].device)
    return StartState((top != 0).int(), top, 1)


class StartStats(Statistic[StartState]):
    """State at the first step of a sequence.

    Unit: that of the threshold. Layout: any; the tensors of one layer. Hides: which sample.
    """

    kind: ClassVar = SiteKind.STATE
    reading: ClassVar = StateReading

    def measure(self, capture: Capture[Tensor]) -> StartState:
        """Take the largest of one sequence's first state."""
        return begun(capture)

    def summarize(self, state: StartState) -> tuple[StateReading, ...]:
        """Copy the counts to the host."""
        return (StateReading(state.sequences, int(state.carried), state.largest.item()),)


@dataclass(frozen=True)
class MemoryState(State):
    """How many forwards held something in their middle, and whether it made any difference."""

    begun: StartState = merged(operator.add)
    telling: Tensor = merged(torch.add)
    ignored: Tensor = merged(torch.add)


class MemoryStats(Statistic[MemoryState]):
    """State in the middle of a sequence, of layers that are called once a step.

    Unit: that of the threshold. Layout: any; the tensors of one layer. Hides: which step.
    """

    kind: ClassVar = SiteKind.MEMORY
    reading: ClassVar = MemoryReading

    def measure(self, capture: Capture[Tensor]) -> MemoryState:
        """Take the largest of what a step went on from, and compare what it handed on with its current."""
        telling = told(capture)
        return MemoryState(begun(capture), telling.sum(), (telling & of_the_current_alone(capture)).sum())

    def summarize(self, state: MemoryState) -> tuple[MemoryReading, ...]:
        """Copy the counts to the host."""
        (start,) = StartStats().summarize(state.begun)
        counts = int(state.telling), int(state.ignored)
        return (MemoryReading(start.sequences, start.carried_sequences, start.largest_potential, *counts),)


def told(capture: Capture[Tensor]) -> Tensor:
    """The elements whose handing on tells: no spike, and a potential before that is no multiple of the current.

    A state of 0 or 1 may be that of the last spikes, which a neuron without recurrence need not look at.
    """
    if not capture.step_tensors:
        return torch.zeros(1, dtype=torch.bool, device=capture.values[0].device)
    spikes, current, *_ = capture.step_tensors
    quiet, before = spikes == 0, [value for value in capture.values if value.shape == spikes.shape]
    able = [(b != 0) & (b != 1) & ~multiple(b, current, quiet, APART) for b in before]
    return quiet & torch.stack(able).any(0) if able else torch.zeros_like(quiet)


def of_the_current_alone(capture: Capture[Tensor]) -> Tensor:
    """The elements of which all that was handed on is a multiple of the current; none where it decides no spike."""
    if not capture.step_tensors:
        return torch.zeros(1, dtype=torch.bool, device=capture.values[0].device)
    spikes, current, *after = capture.step_tensors
    quiet = spikes == 0
    below, above = current.where(quiet, -torch.inf).amax(), current.where(~quiet, torch.inf).amin()
    alike = torch.stack([multiple(value, current, quiet, ALIKE) for value in after]).all(0)
    return alike & (below <= above)


def multiple(x: Tensor, current: Tensor, where: Tensor, tolerance: float) -> Tensor:
    """The elements of x that are the current times one factor for all of them (that of least squares)."""
    x, current = (value.double().where(where, 0) for value in (x, current))
    nearest = (x * current).sum() / (current * current).sum().clamp(min=LEAST) * current
    return (x - nearest).abs() <= tolerance * nearest.abs()
