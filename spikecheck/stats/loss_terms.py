"""What share of the sum that is minimized comes from one loss."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.loss_readings import LossTermReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import State, Statistic, merged_by


@dataclass(frozen=True)
class LossTermState(State):
    """Sums over updates."""

    own: Tensor = merged_by(torch.add)
    others: Tensor = merged_by(torch.add)
    negative: Tensor = merged_by(torch.add)
    updates: int = merged_by(operator.add)


class LossTermStats(Statistic[LossTermState]):
    """How large a loss is in the sum that is minimized, and how large the other terms are together.

    Unit: that of the loss.
    Input: the part of the sum that the loss makes, then the whole sum.
    Memory: three numbers. Cost: four operations on single numbers per update.
    Not visible: how many other terms there are, and which gradient they have.
    """

    kind: ClassVar = SiteKind.LOSS_TERMS
    reading: ClassVar = LossTermReading

    def measure(self, capture: Capture[Tensor]) -> LossTermState:
        """Measure one update."""
        own, total = (value.detach().double().sum() for value in capture.values)
        return LossTermState(own.abs(), (total - own).abs(), (own < 0).int(), 1)

    def summarize(self, state: LossTermState) -> tuple[LossTermReading, ...]:
        """Copy the sums to the host."""
        own, others = state.own.item() / state.updates, state.others.item() / state.updates
        return (LossTermReading(state.updates, own, others, int(state.negative)),)
