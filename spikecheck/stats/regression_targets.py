"""Outputs and targets of a regression loss, such as the squared or absolute error."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import RegressionTargetReading
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.base import State, Statistic, keep_first, merged_by
from spikecheck.stats.layout import (
    even_sample,
    fingerprint,
    maximum,
    merge_distinct,
    minimum,
    smallest_distinct,
    to_float,
)


def keep_last_known(a: Tensor, b: Tensor) -> Tensor:
    """Merge rule: keep the later maximum, unless it is that of nothing."""
    return torch.where(b.isneginf(), a, b)


@dataclass(frozen=True)
class RegressionTargetState(State):
    """Extremes of targets and outputs, sums over the targets, and the smallest distinct outputs."""

    target_minimum: Tensor = merged_by(torch.minimum)
    target_maximum: Tensor = merged_by(torch.maximum)
    output_minimum: Tensor = merged_by(torch.minimum)
    output_maximum: Tensor = merged_by(torch.maximum)
    latest_output_maximum: Tensor = merged_by(keep_last_known)
    values: Tensor = merged_by(merge_distinct)
    batches: Tensor = merged_by(merge_distinct)
    target_sum: Tensor = merged_by(torch.add)
    target_squares: Tensor = merged_by(torch.add)
    uniform: Tensor = merged_by(torch.add)
    updates: int = merged_by(operator.add)
    elements: int = merged_by(operator.add)
    outputs: int = merged_by(keep_first)


class RegressionTargetStats(Statistic[RegressionTargetState]):
    """Outputs and targets of a regression loss: ranges, the smallest distinct outputs, and the targets' variance.

    Unit: that of the output.
    Input: the outputs of all loss calls of one update, then their targets.
    Memory: five extremes, two sums, a count, 16 values and 16 fingerprints. Cost: eight reductions and one sort of
    4,096 elements per update.
    Not visible: which output belongs to which target.
    """

    kind: ClassVar = SiteKind.REGRESSION_TARGET
    reading: ClassVar = RegressionTargetReading
    order_matters: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> RegressionTargetState:
        """Measure the outputs and targets of one update."""
        half = len(capture.values) // 2
        flat = [value.detach().float().reshape(-1) for value in capture.values]
        outputs, targets = torch.cat(flat[:half]), torch.cat(flat[half:])
        highest = maximum(outputs)
        return RegressionTargetState(
            target_minimum=minimum(targets),
            target_maximum=maximum(targets),
            output_minimum=minimum(outputs),
            output_maximum=highest,
            latest_output_maximum=highest,
            values=smallest_distinct(even_sample(outputs)),
            batches=smallest_distinct(fingerprint(targets.unsqueeze(0))),
            target_sum=targets.double().sum(),
            target_squares=targets.double().square().sum(),
            uniform=torch.stack([is_uniform(value) for value in capture.values[half:]]).all().long(),
            updates=1,
            elements=targets.numel(),
            outputs=capture.values[0].shape[-1] if capture.values[0].dim() > 1 else 1,
        )

    def summarize(self, state: RegressionTargetState) -> tuple[RegressionTargetReading, ...]:
        """Copy the extremes and the sums to the host."""
        mean = state.target_sum.item() / state.elements if state.elements else None
        variance = None if mean is None else max(0.0, state.target_squares.item() / state.elements - mean**2)
        return (
            RegressionTargetReading(
                updates=state.updates,
                elements=state.elements,
                target_minimum=to_float(state.target_minimum, state.elements),
                target_maximum=to_float(state.target_maximum, state.elements),
                output_minimum=to_float(state.output_minimum, state.elements),
                output_maximum=to_float(state.output_maximum, state.elements),
                output_values=tuple(v + 0.0 for v in state.values.tolist() if v != torch.inf),
                distinct_batches=int(state.batches.isfinite().sum()),
                target_mean=mean,
                target_variance=variance,
                uniform_batches=int(state.uniform),
                outputs=state.outputs,
                latest_output_maximum=to_float(state.latest_output_maximum, state.elements),
            ),
        )


def is_uniform(targets: Tensor) -> Tensor:
    """Return whether several samples have the same targets, and a sample has different ones."""
    if targets.dim() <= 1 or len(targets) <= 1 or not targets.numel():
        return torch.zeros((), dtype=torch.bool, device=targets.device)
    return (targets == targets[:1]).all() & (targets != targets.flatten()[0]).any()
