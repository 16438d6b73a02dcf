"""Readings of how the state of a layer changes in a time step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepLawReading:
    """The law of a layer that is called once per time step: next potential = decay * potential + gain * current.

    Measured in neurons that did not spike, in one time step of each forward pass. `exact_passes` follow such a law to
    within rounding; `decay` is that of the latest of them. In `spike_passes`, enough neurons spiked to tell the `jump`:
    what the next potential of these has beyond the law, -1 threshold with a reset by subtraction.
    """

    forward_passes: int
    exact_passes: int
    decay: float | None = None
    spike_passes: int = 0
    jump: float | None = None


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """The state of a layer that is called once per time step, in the fifth call of a forward pass or later."""

    forward_passes: int
    stateful_forward_passes: int  # forward passes in which that state was other than 0
    informative_elements: int = 0  # elements without a spike whose state was neither 0 nor a multiple of their current
    memoryless_elements: int = 0  # of these, elements whose next state was a multiple of the current alone
