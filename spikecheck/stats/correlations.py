"""Correlations of currents along time, along the batch, and along the rows that a wrong `reshape` makes of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spikecheck.site import NeighborCorrelation
from spikecheck.stats.base import State, merged_by
from spikecheck.stats.layout import square_sum
from spikecheck.stats.shares import SHARE_DIGITS

COMPARED_NEURONS = 16  # neurons compared, fewer in long sequences and large batches
COMPARED_VALUES = 40_960  # over so many, a correlation has a standard error of about 0.005
MIN_AXIS_LENGTH = 4  # shorter axes have no lag between 1 and half their length
ROUNDING = 1e-12  # fraction of the mean square; a smaller variance is the rounding error of a constant


def add_each(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Merge rule: add the numbers, place by place."""
    return tuple(map(sum, zip(a, b, strict=True)))


@dataclass(frozen=True)
class CorrelationState(State):
    """Correlations along steps, samples and rows, summed over the forward passes in which each is long enough."""

    neighbors: Tensor = merged_by(torch.add)  # [3], as the other tensors
    distant: Tensor = merged_by(torch.add)
    difference: Tensor = merged_by(torch.add)
    squares: Tensor = merged_by(torch.add)
    forward_passes: tuple[int, ...] = merged_by(add_each)

    @classmethod
    def of(cls, x: Tensor) -> CorrelationState:
        """Build from the currents [time, batch, neuron] of one forward pass."""
        by_step = standardize(x)
        by_sample = by_step.transpose(0, 1).contiguous()
        return cls.compared(x, along(by_step), along(by_sample), along_rows(by_sample))

    @classmethod
    def nothing(cls, x: Tensor) -> CorrelationState:
        """Return the state of currents that are not compared."""
        return cls.compared(x, None, None, None)

    @classmethod
    def compared(cls, x: Tensor, *pairs: tuple[Tensor, Tensor] | None) -> CorrelationState:
        """Build from the correlations of neighbors and of distant values; None where they are not compared."""
        none = x.new_zeros((), dtype=torch.float64)
        neighbors, distant = (
            torch.stack([one for pair in pairs for one in pair or (none, none)]).reshape(-1, 2).unbind(1)
        )
        difference = neighbors - distant
        enough = tuple(int(pair is not None) for pair in pairs)
        return cls(neighbors, distant, difference, difference.square(), enough)

    def sums(self) -> Tensor:
        """Return the sums [3, 4]: neighbors, distant, difference and squares of each."""
        return torch.stack([self.neighbors, self.distant, self.difference, self.squares], 1)

    def readings(self, rows: Sequence[Sequence[float]]) -> tuple[NeighborCorrelation | None, ...]:
        """Return the mean correlations and the standard errors of their differences; None for fewer than two passes.

        `rows` are the sums, copied to the host.
        """
        return tuple(mean_of(n, *row) for n, row in zip(self.forward_passes, rows, strict=True))


def mean_of(n: int, neighbors: float, distant: float, difference: float, squares: float) -> NeighborCorrelation | None:
    """Return the mean of sums over n forward passes, and the standard error of the difference."""
    if n <= 1:
        return None
    variance = max(0.0, squares / n - (difference / n) ** 2) * n / (n - 1)
    values = (neighbors / n, distant / n, (variance / n) ** 0.5)
    return NeighborCorrelation(*(round(value, SHARE_DIGITS) for value in values))


def standardize(x: Tensor) -> Tensor:
    """Sample neurons of [time, batch, neuron], subtract the mean of each, and scale to a total variance of 1 or 0."""
    neurons = max(1, min(COMPARED_NEURONS, COMPARED_VALUES // max(1, x[:, :, :1].numel())))
    sampled = x[:, :, :: -(-x.shape[2] // neurons) or 1].double().contiguous()
    centered = sampled - sampled.mean((0, 1))
    squares, rounding = square_sum(centered), ROUNDING * square_sum(sampled)
    variance = squares / max(1, sampled.numel())
    return (centered / variance.where(squares > rounding, torch.inf).sqrt()).nan_to_num(0, 0, 0)


def along(x: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return the correlations of neighbors along the first axis, and of entries half its length apart."""
    if len(x) < MIN_AXIS_LENGTH or not x.numel():
        return None
    return lagged(x, 1), lagged(x, len(x) // 2)


def lagged(x: Tensor, lag: int) -> Tensor:
    """Return the correlation of entries at this lag along the first axis."""
    first, second = x[: len(x) - lag].flatten(), x[lag:].flatten()
    return torch.dot(first, second) / len(first)


def along_rows(x: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return the correlations of values as many places apart in [batch, time] as there are samples, and of others.

    The others are one place further and nearer. `reshape` of [time, batch] into [batch, time] puts the successive time
    steps of a sample there. Only values of different samples are compared, around the mean of their time step. Where
    the number of samples is about a multiple of the time steps, some of them are of one time step: none are compared.
    """
    samples, steps = x.shape[:2]
    if min(steps, samples) < MIN_AXIS_LENGTH or not 1 < samples % steps < steps - 1 or not x.numel():
        return None
    centered = x - x.mean(0)
    before, at, after = (across(centered, lag) for lag in (samples - 1, samples, samples + 1))
    return at, (before + after) / 2


def across(x: Tensor, lag: int) -> Tensor:
    """Return the correlation of values in different samples, so many places apart in [batch, time]."""
    steps = x.shape[1]
    if lag >= steps:
        return lagged(x.flatten(0, 1), lag)
    return (x[:-1, steps - lag :] * x[1:, :lag]).mean()  # the end of each sample, and the beginning of the next
