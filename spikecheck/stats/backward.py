"""The backward pass: the steps that a gradient comes back to, gradients that outlive their step or never reach it."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import GradientAtStepReading, GradientToSpikesReading, StaleGradientReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import State, Statistic, merged
from spikecheck.stats.parameters import norms


@dataclass(frozen=True)
class ReturnState(State):
    """Steps that were reached."""

    reached: Tensor = merged(torch.add)
    last_step_only: Tensor = merged(torch.add)
    forward_passes: int = merged(operator.add)
    steps: int = merged(operator.add)


class ReturnStats(Statistic[ReturnState]):
    """Where in time gradients come back to a layer's spikes.

    Unit: steps. Layout: one value a step, other than 0 where any gradient came. Hides: how large it was, and for which
    neuron.
    """

    kind: ClassVar = SiteKind.GRADIENT_TO_SPIKES
    reading: ClassVar = GradientToSpikesReading

    def measure(self, capture: Capture[Tensor]) -> ReturnState:
        """Count the steps of one forward."""
        came = torch.cat([value.detach().reshape(-1) for value in capture.values]) != 0
        last = came[-1:].any() & ~came[:-1].any()
        return ReturnState(came.sum(), last.int(), 1, len(came))

    def summarize(self, state: ReturnState) -> tuple[GradientToSpikesReading, ...]:
        """Copy the counts to the host."""
        return (
            GradientToSpikesReading(state.forward_passes, state.steps, int(state.reached), int(state.last_step_only)),
        )


@dataclass(frozen=True)
class LeftoverState(State):
    """One entry a parameter."""

    kept: Tensor = merged(torch.add)
    updates: int = merged(operator.add)


class LeftoverStats(Statistic[LeftoverState]):
    """Gradients of a step that is over, where the next backward pass begins.

    Unit: updates. Layout: one tensor a parameter, empty where there was no gradient. Hides: how much was left.
    """

    kind: ClassVar = SiteKind.STALE_GRADIENT
    reading: ClassVar = StaleGradientReading

    def measure(self, capture: Capture[Tensor]) -> LeftoverState:
        """Note which were left, for one update."""
        return LeftoverState((norms(capture.values) != 0).int(), 1)

    def summarize(self, state: LeftoverState) -> tuple[StaleGradientReading, ...]:
        """Copy the counts to the host."""
        return tuple(StaleGradientReading(state.updates, kept) for kept in state.kept.tolist())


@dataclass(frozen=True)
class HandoverState(State):
    """One entry a parameter."""

    cleared: Tensor = merged(torch.add)
    updates: int = merged(operator.add)


class HandoverStats(Statistic[HandoverState]):
    """Gradients where the backward pass ends, beside what the optimizer's step finds of them.

    Unit: updates. Layout: all parameters' gradients as the backward pass left them (or a norm of each), then as the
    step finds them; empty where there is none. Hides: how much of a gradient was taken away where some of it stayed.
    """

    kind: ClassVar = SiteKind.GRADIENT_AT_STEP
    reading: ClassVar = GradientAtStepReading

    def measure(self, capture: Capture[Tensor]) -> HandoverState:
        """Note which were there and are gone, for one update."""
        half = len(capture.values) // 2
        made, found = norms(capture.values[:half]), norms(capture.values[half:])
        return HandoverState(((made != 0) & (found == 0)).int(), 1)

    def summarize(self, state: HandoverState) -> tuple[GradientAtStepReading, ...]:
        """Copy the counts to the host."""
        return tuple(GradientAtStepReading(state.updates, cleared) for cleared in state.cleared.tolist())
