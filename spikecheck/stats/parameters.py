"""All parameters of a model at once: their gradients, their values, and what the optimizer adds to them.

A model has hundreds of parameters, so each number is a vector with one entry a parameter, and the norms come from one
fused call (`torch._foreach_norm`, which `torch.nn.utils.clip_grad_norm_` uses as well).
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
from spikecheck.stats.arrange import NEVER, STEPS
from spikecheck.stats.base import State, Statistic, merged


def norms(tensors: Sequence[Tensor], order: float = 2) -> Tensor:
    """One norm a tensor, in float32, on the device of the first; 0 for an empty one."""
    dense = [t.detach().coalesce().values() if t.is_sparse else t.detach() for t in tensors]
    flat = [t.float() if t.numel() else t.new_zeros(1, dtype=torch.float32) for t in dense]
    home = flat[0].device
    return torch.stack([n.to(home, non_blocking=True) for n in torch._foreach_norm(flat, order)])


def fan_in(shape: Sequence[int]) -> int:
    """Inputs that one output sums over: all axes but the first, as torch.nn.init counts them."""
    return max(1, math.prod(shape[1:]))


def finite(norm: Tensor) -> Tensor:
    """The norms with 0 in place of what is not finite, so that one bad update does not hide all others."""
    return norm.where(torch.isfinite(norm), norm.new_zeros(()))


def first_there(a: tuple[tuple[int, ...], ...], b: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """Rule of the shapes: a parameter's gradient may be missing at first, which shows as an empty one."""
    return tuple(mine if math.prod(mine) else other for mine, other in zip(a, b, strict=True))


@dataclass(frozen=True)
class GradientState(State):
    """One entry a parameter."""

    total: Tensor = merged(torch.add)
    largest: Tensor = merged(torch.maximum)
    zero: Tensor = merged(torch.add)
    bad: Tensor = merged(torch.add)
    first_bad: Tensor = merged(torch.minimum)
    missing: Tensor = merged(torch.add)
    updates: int = merged(operator.add)
    shapes_: tuple[tuple[int, ...], ...] = merged(first_there)


class GradientStats(Statistic[GradientState]):
    """Gradients as the optimizer gets them: after clipping, accumulation and unscaling.

    Unit: loss per unit of the parameter (L2 norm). Layout: one tensor a parameter, empty where it has no gradient.
    Hides: which entry. A loss that sums over the batch has larger gradients than one that averages.
    """

    kind: ClassVar = SiteKind.GRADIENT
    reading: ClassVar = GradientReading

    def measure(self, capture: Capture[Tensor]) -> GradientState:
        """Take the norms of one update's gradients."""
        norm = norms(capture.values)
        bad = ~torch.isfinite(norm)
        here = [value.numel() > 0 for value in capture.values]
        present = torch.tensor(here, device="cpu").to(norm.device, non_blocking=True)
        at = torch.full(norm.shape, capture.update * STEPS, device=norm.device)
        return GradientState(
            total=finite(norm).double(),
            largest=finite(norm),
            zero=((norm == 0) & present).int(),
            bad=bad.int(),
            first_bad=at.where(bad, at.new_full((), NEVER)),
            missing=(~present).int(),
            updates=1,
            shapes_=tuple(tuple(value.shape) for value in capture.values),
        )

    def summarize(self, state: GradientState) -> tuple[GradientReading, ...]:
        """Copy the norms to the host."""
        columns = (state.total, state.largest, state.zero, state.bad, state.first_bad, state.missing)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return tuple(
            GradientReading(
                updates=state.updates,
                missing_updates=missing,
                zero_updates=zero,
                mean_norm=total / max(1, state.updates - missing - bad),
                max_norm=largest,
                elements=math.prod(shape),
                dimensions=len(shape),
                non_finite=NonFinite(bad, state.updates, Moment(at // STEPS) if bad else None),
            )
            for (total, largest, zero, bad, at, missing), shape in zip(rows, state.shapes_, strict=True)
        )


def later(a: object, b: object) -> object:
    """Rule of a field whose later value counts."""
    return b


@dataclass(frozen=True)
class ParameterState(State):
    """The latest values' norms, one entry a parameter."""

    norm: Tensor = merged(later)
    maximum: Tensor = merged(later)
    update: int = merged(later)
    shapes_: tuple[tuple[int, ...], ...] = merged(later)


class ParameterStats(Statistic[ParameterState]):
    """Parameter values as they are now.

    Unit: that of the parameter. Layout: one tensor a parameter. Hides: the distribution; one outlier among many shows
    in `maximum`.
    """

    kind: ClassVar = SiteKind.PARAMETER
    reading: ClassVar = ParameterReading
    ordered: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> ParameterState:
        """Take the norms of all parameters."""
        shapes = tuple(tuple(value.shape) for value in capture.values)
        return ParameterState(norms(capture.values), norms(capture.values, math.inf), capture.update, shapes)

    def summarize(self, state: ParameterState) -> tuple[ParameterReading, ...]:
        """Copy the norms to the host."""
        rows = zip(state.norm.tolist(), state.maximum.tolist(), state.shapes_, strict=True)
        return tuple(
            ParameterReading(
                elements=math.prod(shape),
                dimensions=len(shape),
                fan_in=fan_in(shape),
                rms=norm / max(1, math.prod(shape)) ** 0.5,
                maximum=maximum,
                non_finite=NonFinite(0, 1) if math.isfinite(norm) else NonFinite(1, 1, Moment(state.update)),
            )
            for norm, maximum, shape in rows
        )


@dataclass(frozen=True)
class UpdateState(State):
    """Relative norms of the optimizer's steps, one entry a parameter."""

    path: Tensor = merged(torch.add)
    largest: Tensor = merged(torch.maximum)
    unmoved: Tensor = merged(torch.add)
    updates: int = merged(operator.add)
    rates: tuple[float | None, ...] = merged(later)
    learning_rate_histories: tuple[LearningRateHistory | None, ...] = merged(later)


class UpdateStats(Statistic[UpdateState]):
    """What the optimizer adds to each parameter, as a share of the parameter's norm.

    Unit: none. Layout: the steps of all parameters, then the parameters as they were before. Hides: direction. A
    parameter that starts at 0 (a bias) has no share: its first steps count as 1.
    """

    kind: ClassVar = SiteKind.UPDATE
    reading: ClassVar = UpdateReading

    def measure(self, capture: Capture[Tensor]) -> UpdateState:
        """Compare one update's steps with what they were added to."""
        half = len(capture.values) // 2
        step, before = norms(capture.values[:half]), norms(capture.values[half:])
        share = finite(step / before.where(before > 0, step)).double()
        return UpdateState(
            share,
            share,
            (step == 0).int(),
            1,
            capture.learning_rates,
            capture.learning_rate_histories or (None,) * half,
        )

    def summarize(self, state: UpdateState) -> tuple[UpdateReading, ...]:
        """Copy the shares to the host."""
        columns = (state.path, state.largest, state.unmoved)
        rows = zip(*(column.tolist() for column in columns), state.rates, state.learning_rate_histories, strict=True)
        return tuple(
            UpdateReading(
                updates=state.updates,
                mean_relative_norm=path / max(1, state.updates),
                max_relative_norm=largest,
                relative_path=path,
                unmoved_updates=unmoved,
                learning_rate=rate,
                learning_rate_history=pace,
            )
            for path, largest, unmoved, rate, pace in rows
        )
