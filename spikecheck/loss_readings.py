"""Readings of what weighs how much: a class in a loss, and a loss in the sum that is minimized."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassWeightReading:
    """The weight that a loss gives to each class, averaged over updates; empty above 4,096 classes."""

    updates: int
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LossTermReading:
    """A loss in the sum that is minimized: mean absolute size of its own term, and of all other terms together.

    In `negative_updates`, its own term was below 0.
    """

    updates: int
    own: float
    others: float
    negative_updates: int = 0
