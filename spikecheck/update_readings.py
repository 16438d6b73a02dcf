"""Readings of what becomes of gradients and updates: where they arrive, used or not, kept or taken back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GradientToSpikesReading:
    """The time steps at which a gradient other than 0 reached a layer's spikes, in the first forward passes.

    `early_spike_passes` are the forward passes in which any neuron fired before the last time step. Of these, in
    `last_step_only` a gradient reached the last time step and no other.
    """

    forward_passes: int
    time_steps: int  # summed over the forward passes
    last_step_only: int
    early_spike_passes: int = 0


@dataclass(frozen=True, slots=True)
class UnusedGradientReading:
    """Backward passes in training mode before any optimizer stepped, and what became of a parameter's gradient.

    `gradient_passes` ended with a finite gradient other than 0. `cleared_passes` are those of them that began without
    one. In `moved_passes`, some of the sampled values of the parameter differ from those at the first pass.
    """

    backward_passes: int
    gradient_passes: int
    cleared_passes: int
    moved_passes: int


@dataclass(frozen=True, slots=True)
class UndoneUpdateReading:
    """In how many updates that changed a parameter it was the same again before the next update."""

    updates: int
    undone_updates: int


@dataclass(frozen=True, slots=True)
class StaleGradientReading:
    """In how many updates part of a parameter's gradient was left over from the one before."""

    updates: int
    stale_updates: int


@dataclass(frozen=True, slots=True)
class GradientAtStepReading:
    """In how many updates a parameter's gradient was cleared before the optimizer used it, or replaced by another.

    It was replaced where it was more than twice what the backward pass left; clipping and unscaling make it smaller.
    In `shrunken_updates`, it was less than a thirtieth of that, and not 0. `backward_norm` is the mean norm that the
    backward pass left.
    """

    updates: int
    cleared_updates: int
    replaced_updates: int = 0
    shrunken_updates: int = 0
    backward_norm: float = 0.0
