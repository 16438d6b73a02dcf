"""Outputs and targets of a loss over numbers: squared and absolute differences."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import RegressionTargetReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.arrange import closely, distinct, fingerprint, highest, join_distinct, lowest, told
from spikecheck.stats.base import State, Statistic, merged


@dataclass(frozen=True)
class AimState(State):
    """Extremes, and the outputs' smallest values."""

    lowest: Tensor = merged(torch.minimum)
    highest: Tensor = merged(torch.maximum)
    minimum: Tensor = merged(torch.minimum)
    maximum: Tensor = merged(torch.maximum)
    values: Tensor = merged(join_distinct)
    batches: Tensor = merged(join_distinct)
    updates: int = merged(operator.add)
    elements: int = merged(operator.add)


class AimStats(Statistic[AimState]):
    """What a loss over numbers compares.

    Unit: that of the output. Layout: the outputs of all calls, then their targets. Hides: which output has
    which target.
    """

    kind: ClassVar = SiteKind.REGRESSION_TARGET
    reading: ClassVar = RegressionTargetReading

    def measure(self, capture: Capture[Tensor]) -> AimState:
        """Take the extremes of one update."""
        half = len(capture.values) // 2
        flat = [value.detach().float().reshape(-1) for value in capture.values]
        outputs, targets = torch.cat(flat[:half]), torch.cat(flat[half:])
        return AimState(
            lowest=lowest(targets),
            highest=highest(targets),
            minimum=lowest(outputs),
            maximum=highest(outputs),
            values=distinct(closely(outputs)),
            batches=distinct(fingerprint(targets)),
            updates=1,
            elements=targets.numel(),
        )

    def summarize(self, state: AimState) -> tuple[RegressionTargetReading, ...]:
        """Copy the extremes to the host."""
        return (
            RegressionTargetReading(
                updates=state.updates,
                elements=state.elements,
                target_minimum=told(state.lowest, state.elements),
                target_maximum=told(state.highest, state.elements),
                output_minimum=told(state.minimum, state.elements),
                output_maximum=told(state.maximum, state.elements),
                output_values=tuple(v + 0.0 for v in state.values.tolist() if v != torch.inf),
                distinct_batches=int(state.batches.isfinite().sum()),
            ),
        )
