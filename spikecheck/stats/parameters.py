"""All parameters of a model at once: gradients, values, and updates.

A model has hundreds of parameters, so each quantity is a vector with one entry per parameter, and all norms are
computed by one fused call (`torch._foreach_norm`, which `torch.nn.utils.clip_grad_norm_` uses as well).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.readings import GradientReading, NonFinite, ParameterReading, UpdateReading
from spikecheck.site import Capture, LearningRateHistory, Moment, SiteKind
from spikecheck.stats.base import State, Statistic, keep_last, merged_by
from spikecheck.stats.layout import MAX_TIME_STEPS, NEVER

LARGE = 0.5  # of a parameter's norm: two such updates can undo it


def norms(tensors: Sequence[Tensor]) -> Tensor:
    """Return one L2 norm per tensor, in float32 on the device of the first tensor; 0 for an empty tensor."""
    dense = [t.detach().coalesce().values() if t.is_sparse else t.detach() for t in tensors]
    flat = [t.float() if t.numel() else t.new_zeros(1, dtype=torch.float32) for t in dense]
    device = flat[0].device
    return torch.stack([n.to(device, non_blocking=True) for n in torch._foreach_norm(flat)])


def along(step: Tensor, gradient: Tensor) -> Tensor:
    """Return by how much a loss rises along an update, to first order; 0 where the gradient is missing."""
    if gradient.numel() == 0:
        return step.new_zeros((), dtype=torch.float32)
    return torch.dot(step.float().flatten(), gradient.float().flatten())


def fan_in(shape: Sequence[int]) -> int:
    """Return the number of inputs per output: the product of all axes but the first, as in torch.nn.init."""
    return max(1, math.prod(shape[1:]))


def zero_non_finite(norm: Tensor) -> Tensor:
    """Replace non-finite norms with 0, so that one such update does not dominate the sum."""
    return norm.where(torch.isfinite(norm), norm.new_zeros(()))


def first_known_shapes(a: tuple[tuple[int, ...], ...], b: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """Merge rule of shapes: keep the first non-empty one; a missing gradient is an empty tensor."""
    return tuple(first if math.prod(first) else second for first, second in zip(a, b, strict=True))


@dataclass(frozen=True)
class GradientState(State):
    """One entry per parameter."""

    total: Tensor = merged_by(torch.add)
    zero: Tensor = merged_by(torch.add)
    non_finite: Tensor = merged_by(torch.add)
    first_non_finite: Tensor = merged_by(torch.minimum)
    missing: Tensor = merged_by(torch.add)
    updates: int = merged_by(operator.add)
    shapes_: tuple[tuple[int, ...], ...] = merged_by(first_known_shapes)


class GradientStats(Statistic[GradientState]):
    """Gradients as the optimizer receives them, after clipping, accumulation and unscaling.

    Unit: loss per unit of the parameter (L2 norm). A loss summed over the batch has larger gradients than a mean.
    Input: one gradient per parameter, or its norm, empty if it has none.
    Memory: five numbers per parameter. Cost: one fused norm per update.
    Not visible: single entries of a gradient.
    """

    kind: ClassVar = SiteKind.GRADIENT
    reading: ClassVar = GradientReading

    def measure(self, capture: Capture[Tensor]) -> GradientState:
        """Compute the norms of the gradients of one update."""
        return self.measure_many([capture])

    def measure_many(self, captures: Sequence[Capture[Tensor]]) -> GradientState:
        """Compute the norms of the gradients of several updates in one go."""
        first = captures[0]
        norm = norms([value for capture in captures for value in capture.values]).reshape(len(captures), -1)
        non_finite = ~torch.isfinite(norm)  # [update, parameter], as the norm
        present = torch.tensor([value.numel() > 0 for value in first.values], device="cpu")
        present = present.to(norm.device, non_blocking=True)
        updates = torch.tensor([[capture.update * MAX_TIME_STEPS] for capture in captures], device="cpu")
        at = updates.to(norm.device, non_blocking=True).where(non_finite, NEVER)
        return GradientState(
            total=zero_non_finite(norm).sum(0, dtype=torch.float64),
            zero=((norm == 0) & present).sum(0, dtype=torch.int32),
            non_finite=non_finite.sum(0, dtype=torch.int32),
            first_non_finite=at.amin(0),
            missing=(~present).int() * len(captures),
            updates=len(captures),
            shapes_=first.shapes or tuple(tuple(value.shape) for value in first.values),
        )

    def summarize(self, state: GradientState) -> tuple[GradientReading, ...]:
        """Copy the norms to the host."""
        columns = (state.total, state.zero, state.non_finite, state.first_non_finite, state.missing)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return tuple(
            GradientReading(
                updates=state.updates,
                missing_updates=missing,
                zero_updates=zero,
                mean_norm=total / max(1, state.updates - missing - bad),
                dimensions=len(shape),
                non_finite=NonFinite(bad, state.updates, Moment(at // MAX_TIME_STEPS) if bad else None),
            )
            for (total, zero, bad, at, missing), shape in zip(rows, state.shapes_, strict=True)
        )


@dataclass(frozen=True)
class ParameterState(State):
    """Norms of the latest values, one entry per parameter."""

    norm: Tensor = merged_by(keep_last)
    update: int = merged_by(keep_last)
    shapes_: tuple[tuple[int, ...], ...] = merged_by(keep_last)


class ParameterStats(Statistic[ParameterState]):
    """The latest parameter values: RMS, size, and whether they are finite.

    Unit: that of the parameter.
    Input: one tensor per parameter.
    Memory: one number per parameter. Cost: one fused norm per capture.
    Not visible: the distribution of the values.
    """

    kind: ClassVar = SiteKind.PARAMETER
    reading: ClassVar = ParameterReading
    order_matters: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> ParameterState:
        """Compute the norms of all parameters."""
        shapes = tuple(tuple(value.shape) for value in capture.values)
        return ParameterState(norms(capture.values), capture.update, shapes)

    def summarize(self, state: ParameterState) -> tuple[ParameterReading, ...]:
        """Copy the norms to the host."""
        rows = zip(state.norm.tolist(), state.shapes_, strict=True)
        return tuple(
            ParameterReading(
                elements=math.prod(shape),
                dimensions=len(shape),
                fan_in=fan_in(shape),
                rms=norm / max(1, math.prod(shape)) ** 0.5,
                non_finite=NonFinite(0, 1) if math.isfinite(norm) else NonFinite(1, 1, Moment(state.update)),
            )
            for norm, shape in rows
        )


@dataclass(frozen=True)
class UpdateState(State):
    """Relative norms of the updates, one entry per parameter."""

    relative_path: Tensor = merged_by(torch.add)
    path: Tensor = merged_by(torch.add)
    largest: Tensor = merged_by(torch.maximum)
    unmoved_updates: Tensor = merged_by(torch.add)
    first_large: Tensor = merged_by(torch.minimum)  # NEVER where there was none
    first_spoiling: Tensor = merged_by(torch.minimum)  # NEVER where there was none
    uphill: Tensor = merged_by(torch.add)
    updates: int = merged_by(operator.add)
    rates: tuple[float | None, ...] = merged_by(keep_last)
    learning_rate_histories: tuple[LearningRateHistory | None, ...] = merged_by(keep_last)


class UpdateStats(Statistic[UpdateState]):
    """Norm of each parameter's update, by itself and relative to the norm of the parameter, and whether it goes uphill.

    Unit: that of the parameter, and ratio of L2 norms. For a parameter that is 0 (such as a new bias) the ratio is set
    to 1.
    Input: the updates of all parameters, then the parameters before the update, then their gradients, empty if missing.
    Memory: seven numbers per parameter. Cost: two fused norms and a product with the gradient per update.
    Not visible: the direction of an update, except for whether the loss rises along it.
    """

    kind: ClassVar = SiteKind.UPDATE
    reading: ClassVar = UpdateReading

    def measure(self, capture: Capture[Tensor]) -> UpdateState:
        """Compute the relative norms of one update."""
        parameters = len(capture.values) // 3
        steps, values = capture.values[:parameters], capture.values[parameters : 2 * parameters]
        update, before = norms(steps), norms(values)
        rise = torch.stack([along(*pair) for pair in zip(steps, capture.values[2 * parameters :], strict=True)])
        ratio = zero_non_finite(update / before.where(before > 0, update)).double()
        at = torch.full_like(ratio, capture.update, dtype=torch.int64)
        return UpdateState(
            ratio,
            zero_non_finite(update).double(),
            ratio,
            (update == 0).int(),
            at.where(ratio >= LARGE, NEVER),
            at.where(torch.isfinite(before) & ~torch.isfinite(update), NEVER),
            (rise.to(ratio.device, non_blocking=True) > 0).int(),
            1,
            capture.learning_rates,
            capture.learning_rate_histories or (None,) * parameters,
        )

    def summarize(self, state: UpdateState) -> tuple[UpdateReading, ...]:
        """Copy the ratios to the host."""
        counts = (state.unmoved_updates, state.first_large, state.first_spoiling, state.uphill)
        columns = (state.relative_path, state.path, state.largest, *counts)
        rows = zip(*(column.tolist() for column in columns), state.rates, state.learning_rate_histories, strict=True)
        return tuple(
            UpdateReading(
                updates=state.updates,
                mean_relative_norm=relative_path / max(1, state.updates),
                max_relative_norm=largest,
                unmoved_updates=unmoved,
                learning_rate=rate,
                learning_rate_history=pace,
                mean_norm=path / max(1, state.updates),
                first_large=None if first_large == NEVER else first_large,
                first_spoiling=None if first_spoiling == NEVER else first_spoiling,
                uphill_updates=uphill,
            )
            for relative_path, path, largest, unmoved, first_large, first_spoiling, uphill, rate, pace in rows
        )
