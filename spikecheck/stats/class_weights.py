"""How much each class counts in a loss."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.loss_readings import ClassWeightReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import State, Statistic, merged_by
from spikecheck.stats.losses import MAX_CLASSES


@dataclass(frozen=True)
class ClassWeightState(State):
    """Sums over updates."""

    weights: Tensor = merged_by(torch.add)
    updates: int = merged_by(operator.add)


class ClassWeightStats(Statistic[ClassWeightState]):
    """The weight that a loss gives to each class.

    Unit: that of the weights; only their ratios matter where the loss is a weighted mean.
    Input: the weights of one update.
    Memory: one sum per class, at most MAX_CLASSES. Cost: one addition per update.
    Not visible: weights that the script multiplies with the losses of the samples itself.
    """

    kind: ClassVar = SiteKind.CLASS_WEIGHTS
    reading: ClassVar = ClassWeightReading

    def measure(self, capture: Capture[Tensor]) -> ClassWeightState:
        """Measure one update."""
        weights = capture.values[0].detach().double().flatten()
        return ClassWeightState(weights if len(weights) <= MAX_CLASSES else weights[:0], 1)

    def summarize(self, state: ClassWeightState) -> tuple[ClassWeightReading, ...]:
        """Copy the sums to the host."""
        return (ClassWeightReading(state.updates, tuple((state.weights / state.updates).tolist())),)
