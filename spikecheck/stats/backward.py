"""The backward pass: time steps with a gradient, stale gradients, and what is lost before and after the update."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import State, Statistic, merged_by
from spikecheck.stats.parameters import norms, zero_non_finite
from spikecheck.update_readings import (
    GradientAtStepReading,
    GradientToSpikesReading,
    StaleGradientReading,
    UndoneUpdateReading,
    UnusedGradientReading,
)

SHRUNKEN = 1 / 30  # of the gradient of the backward pass; SPK418 also asks how far the weights move
REPLACED = 2.0  # times the gradient of the backward pass: what the optimizer gets then comes from somewhere else


@dataclass(frozen=True)
class GradientToSpikesState(State):
    """Counts of time steps with a gradient."""

    last_step_only: Tensor = merged_by(torch.add)
    early_spikes: Tensor = merged_by(torch.add)
    forward_passes: int = merged_by(operator.add)
    steps: int = merged_by(operator.add)


class GradientToSpikesStats(Statistic[GradientToSpikesState]):
    """Forward passes in which the spikes of only the last time step received a gradient, although there were others.

    Unit: forward passes and time steps.
    Input: one value per time step, not 0 where any gradient arrived; then as many, not 0 where any neuron fired.
    Memory: four numbers. Cost: one comparison over time steps per backward pass.
    Not visible: the size of the gradient, and its neuron.
    """

    kind: ClassVar = SiteKind.GRADIENT_TO_SPIKES
    reading: ClassVar = GradientToSpikesReading

    def measure(self, capture: Capture[Tensor]) -> GradientToSpikesState:
        """Measure the time steps of one forward pass."""
        half = len(capture.values) // 2
        received, fired = (
            torch.cat([value.detach().reshape(-1) for value in values]) != 0
            for values in (capture.values[:half], capture.values[half:])
        )
        last_only = received[-1:].any() & ~received[:-1].any()
        early = fired[:-1].any()
        return GradientToSpikesState((last_only & early).int(), early.int(), 1, len(received))

    def summarize(self, state: GradientToSpikesState) -> tuple[GradientToSpikesReading, ...]:
        """Copy the counts to the host."""
        return (
            GradientToSpikesReading(
                state.forward_passes, state.steps, int(state.last_step_only), int(state.early_spikes)
            ),
        )


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
    replaced: Tensor = merged_by(torch.add)
    shrunken: Tensor = merged_by(torch.add)
    norm: Tensor = merged_by(torch.add)
    updates: int = merged_by(operator.add)


class GradientAtStepStats(Statistic[GradientAtStepState]):
    """Gradients that exist at the end of the backward pass but not at the optimizer's update, or only there.

    Unit: updates.
    Input: the gradients of all parameters (or their norms) at the end of the backward pass, then those at the update;
    empty if there is none.
    Memory: four numbers per parameter. Cost: two fused norms per update.
    Not visible: a gradient that was only partly removed, or replaced by one that is not much larger.
    """

    kind: ClassVar = SiteKind.GRADIENT_AT_STEP
    reading: ClassVar = GradientAtStepReading

    def measure(self, capture: Capture[Tensor]) -> GradientAtStepState:
        """Mark the parameters whose gradient was removed, replaced or scaled down in one update."""
        half = len(capture.values) // 2
        after_backward, at_update = norms(capture.values[:half]), norms(capture.values[half:])
        return GradientAtStepState(
            ((after_backward != 0) & (at_update == 0)).int(),
            (at_update > REPLACED * after_backward).int(),
            ((at_update != 0) & (at_update < SHRUNKEN * after_backward)).int(),
            zero_non_finite(after_backward).double(),
            1,
        )

    def summarize(self, state: GradientAtStepState) -> tuple[GradientAtStepReading, ...]:
        """Copy the counts to the host."""
        columns = (state.cleared, state.replaced, state.shrunken, (state.norm / max(1, state.updates)))
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return tuple(GradientAtStepReading(state.updates, *row) for row in rows)


@dataclass(frozen=True)
class UnusedGradientState(State):
    """One entry per parameter."""

    gradient: Tensor = merged_by(torch.add)
    cleared: Tensor = merged_by(torch.add)
    moved: Tensor = merged_by(torch.add)
    passes: int = merged_by(operator.add)


class UnusedGradientStats(Statistic[UnusedGradientState]):
    """Gradients before the first update: whether they arrive, are cleared, and whether the parameters move.

    Unit: backward passes.
    Input: per parameter its gradient (or the norm) before the backward pass, the one after it, values of the parameter
    at the first pass, and the same values now; empty if there is none.
    Memory: three numbers per parameter. Cost: two fused norms, and one comparison per parameter.
    Not visible: a change of values that are not among the sampled ones.
    """

    kind: ClassVar = SiteKind.UNUSED_GRADIENT
    reading: ClassVar = UnusedGradientReading

    def measure(self, capture: Capture[Tensor]) -> UnusedGradientState:
        """Compare one backward pass."""
        quarter = len(capture.values) // 4
        before, after = norms(capture.values[:quarter]), norms(capture.values[quarter : 2 * quarter])
        arrives = torch.isfinite(after) & (after != 0)
        moved = changed(capture.values[2 * quarter : 3 * quarter], capture.values[3 * quarter :])
        return UnusedGradientState(arrives.int(), (arrives & (before == 0)).int(), moved.to(after.device).int(), 1)

    def summarize(self, state: UnusedGradientState) -> tuple[UnusedGradientReading, ...]:
        """Copy the counts to the host."""
        rows = zip(state.gradient.tolist(), state.cleared.tolist(), state.moved.tolist(), strict=True)
        return tuple(UnusedGradientReading(state.passes, *row) for row in rows)


@dataclass(frozen=True)
class UndoneUpdateState(State):
    """One entry per parameter."""

    updates: Tensor = merged_by(torch.add)
    undone: Tensor = merged_by(torch.add)


class UndoneUpdateStats(Statistic[UndoneUpdateState]):
    """Updates that something takes back before the next one.

    Unit: updates.
    Input: per parameter its values before an update, its values before the next, and what the update added (or its
    norm).
    Memory: two numbers per parameter. Cost: one fused norm, and one comparison per parameter.
    Not visible: an update that was taken back in part, or that was not finite.
    """

    kind: ClassVar = SiteKind.UNDONE_UPDATE
    reading: ClassVar = UndoneUpdateReading

    def measure(self, capture: Capture[Tensor]) -> UndoneUpdateState:
        """Compare the parameters around one update."""
        third = len(capture.values) // 3
        before, now, added = (capture.values[n * third : (n + 1) * third] for n in range(3))
        added_norms = norms(added)
        updated = torch.isfinite(added_norms) & (added_norms != 0)  # weights that are NaN stay NaN: nothing is put back
        return UndoneUpdateState(updated.int(), (updated & ~changed(before, now).to(updated.device)).int())

    def summarize(self, state: UndoneUpdateState) -> tuple[UndoneUpdateReading, ...]:
        """Copy the counts to the host."""
        rows = zip(state.updates.tolist(), state.undone.tolist(), strict=True)
        return tuple(UndoneUpdateReading(*row) for row in rows)


def changed(before: Sequence[Tensor], after: Sequence[Tensor]) -> Tensor:
    """Return, per pair of tensors, whether any entry differs; NaN is equal to NaN."""
    return torch.stack([((a != b) & ~(a.isnan() & b.isnan())).any() for a, b in zip(before, after, strict=True)])
