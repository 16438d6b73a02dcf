"""The backward pass: time steps with a gradient, stale gradients, and gradients lost before the update."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import GradientAtStepReading, GradientToSpikesReading, StaleGradientReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import State, Statistic, merged_by
from spikecheck.stats.parameters import norms


@dataclass(frozen=True)
class GradientToSpikesState(State):
    """Counts of time steps with a gradient."""

    last_step_only: Tensor = merged_by(torch.add)
    forward_passes: int = merged_by(operator.add)
    steps: int = merged_by(operator.add)


class GradientToSpikesStats(Statistic[GradientToSpikesState]):
    """Forward passes in which the spikes of only the last time step received a gradient.

    Unit: forward passes and time steps.
    Input: one value per time step, not 0 where any gradient arrived.
    Memory: three numbers. Cost: one comparison over time steps per backward pass.
    Not visible: the size of the gradient, and its neuron.
    """

    kind: ClassVar = SiteKind.GRADIENT_TO_SPIKES
    reading: ClassVar = GradientToSpikesReading

    def measure(self, capture: Capture[Tensor]) -> GradientToSpikesState:
        """Measure the time steps of one forward pass."""
        received = torch.cat([value.detach().reshape(-1) for value in capture.values]) != 0
        last_only = received[-1:].any() & ~received[:-1].any()
        return GradientToSpikesState(last_only.int(), 1, len(received))

    def summarize(self, state: GradientToSpikesState) -> tuple[GradientToSpikesReading, ...]:
        """Copy the counts to the host."""
        return (GradientToSpikesReading(state.forward_passes, state.steps, int(state.last_step_only)),)


@dataclass(frozen=True)
class StaleGradientState(State):
    """One entry per parameter."""

    stale: Tensor = merged_by(torch.add)
    updates: int = merged_by(operator.add)


class StaleGradientStats(Statistic[StaleGradientState]):
    """Gradients of a finished update that are still present when the next backward pass starts.

    Unit: updates.
    Input: one gradient per parameter at the start of the backward pass, empty if there is none.
    Memory: one number per parameter. Cost: one fused norm per update.
    Not visible: the size of the old gradient.
    """

    kind: ClassVar = SiteKind.STALE_GRADIENT
    reading: ClassVar = StaleGradientReading

    def measure(self, capture: Capture[Tensor]) -> StaleGradientState:
        """Mark the parameters with a stale gradient in one update."""
        return StaleGradientState((norms(capture.values) != 0).int(), 1)

    def summarize(self, state: StaleGradientState) -> tuple[StaleGradientReading, ...]:
        """Copy the counts to the host."""
        return tuple(StaleGradientReading(state.updates, stale) for stale in state.stale.tolist())


@dataclass(frozen=True)
class GradientAtStepState(State):
    """One entry per parameter."""

    cleared: Tensor = merged_by(torch.add)
    updates: int = merged_by(operator.add)


class GradientAtStepStats(Statistic[GradientAtStepState]):
    """Gradients that exist at the end of the backward pass but not at the optimizer's update.

    Unit: updates.
    Input: the gradients of all parameters (or their norms) at the end of the backward pass, then those at the update;
    empty if there is none.
    Memory: one number per parameter. Cost: two fused norms per update.
    Not visible: a gradient that was only partly removed.
    """

    kind: ClassVar = SiteKind.GRADIENT_AT_STEP
    reading: ClassVar = GradientAtStepReading

    def measure(self, capture: Capture[Tensor]) -> GradientAtStepState:
        """Mark the parameters whose gradient was removed in one update."""
        half = len(capture.values) // 2
        after_backward, at_update = norms(capture.values[:half]), norms(capture.values[half:])
        return GradientAtStepState(((after_backward != 0) & (at_update == 0)).int(), 1)

    def summarize(self, state: GradientAtStepState) -> tuple[GradientAtStepReading, ...]:
        """Copy the counts to the host."""
        return tuple(GradientAtStepReading(state.updates, cleared) for cleared in state.cleared.tolist())
