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


@dataclass(frozen=True)
class StartState(State):
    """How many sequences began with something left over."""

    carried: Tensor = merged(torch.add)
    largest: Tensor = merged(torch.maximum)
    sequences: int = merged(operator.add)


class StartStats(Statistic[StartState]):
    """State at the first step of a sequence.

    Unit: that of the threshold. Layout: any; the tensors of one layer. Hides: which sample.
    """

    kind: ClassVar = SiteKind.STATE
    reading: ClassVar = StateReading

    def measure(self, capture: Capture[Tensor]) -> StartState:
        """Take the largest of one sequence's first state."""
        tops = [v.detach().float().abs().amax() for v in capture.values if v.numel()]
        top = torch.stack(tops).amax() if tops else torch.zeros((), device=capture.values[0].device)
        return StartState((top != 0).int(), top, 1)

    def summarise(self, state: StartState) -> tuple[StateReading, ...]:
        """Copy the counts to the host."""
        return (StateReading(state.sequences, int(state.carried), state.largest.item()),)


class MemoryStats(StartStats):
    """State in the middle of a sequence, of layers that are called once a step.

    Unit: that of the threshold. Layout: any; the tensors of one layer. Hides: which step.
    """

    kind: ClassVar = SiteKind.MEMORY
    reading: ClassVar = MemoryReading  # type: ignore[assignment]

    def summarise(self, state: StartState) -> tuple[MemoryReading, ...]:  # type: ignore[override]
        """Copy the counts to the host."""
        return (MemoryReading(state.sequences, int(state.carried), state.largest.item()),)
