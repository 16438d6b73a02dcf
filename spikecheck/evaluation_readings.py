"""Readings of what evaluation uses and training does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InitialStatisticsReading:
    """Two buffers of a module that were 0 and 1 everywhere when the watching began, and still are.

    So a new running mean and variance look, in a normalization of the user's own. `position` is that of the module in
    the forward pass.
    """

    zeros: str
    ones: str
    position: int


@dataclass(frozen=True, slots=True)
class ModeInEvaluationReading:
    """A module that behaves differently in evaluation mode, in the forward passes that recorded no gradients."""

    forward_passes: int
    in_training_mode: int  # of these, with this module and the model in training mode
