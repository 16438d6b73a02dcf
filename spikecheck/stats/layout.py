"""Bring captures into the layout [time, batch, neuron], and the functions that several statistics share."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from spikecheck.readings import NonFinite
from spikecheck.site import Capture, Layout, Moment
from spikecheck.stats.base import State, Statistic, merged_by

MAX_DISTINCT = 16  # number of distinct values kept
SAMPLE_SIZE = 4096  # sampled elements per forward pass; sorting more would cost more than everything else
CHUNK_BYTES = 2**19  # of time steps that are stacked and read at once: they stay in a core's second cache
LARGE_STEP = 4096  # values of a time step that take longer to add up (1 microsecond) than the operation to start
MAX_TIME_STEPS = 2**20  # more than any forward pass has: encodes (update, step) as one integer
NEVER = 2**62  # larger than any encoded (update, step)

S = TypeVar("S", bound=State)


def stack(capture: Capture[Tensor]) -> Tensor:
    """Return the capture as one detached tensor: its time steps stacked along axis 0, or its only tensor."""
    return torch.stack(capture.values).detach() if capture.stacked else capture.values[0].detach()


def time_batch_neuron(capture: Capture[Tensor]) -> Tensor:
    """Return the capture as [time, batch, neuron] in float32 or float64; an unknown axis has length 1."""
    x = stack(capture)
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    time, batch = capture.layout.time, capture.layout.batch
    known_axes = [axis for axis in (time, batch) if axis is not None]
    x = x.movedim(known_axes, list(range(len(known_axes))))
    if time is None:
        x = x.unsqueeze(0)
    if batch is None:
        x = x.unsqueeze(1)
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def joined(captures: Sequence[Capture[Tensor]]) -> Capture[Tensor]:
    """Return forward passes of one form as one, whose time steps follow each other."""
    first = captures[0]
    if first.stacked:
        return replace(first, values=tuple([value for capture in captures for value in capture.values]))
    return replace(first, values=(torch.cat(list(map(time_batch_neuron, captures))),), layout=Layout(0, 1))


class Raster:
    """A capture as [time, batch, neuron], and the reductions that several statistics share; each is computed once.

    Args:
        capture: the values.
        whole: whether a statistic will read the values in one piece. Where none does, they are read in chunks.
    """

    def __init__(self, capture: Capture[Tensor], *, whole: bool = True) -> None:
        self.capture, self.whole = capture, whole

    @cached_property
    def x(self) -> Tensor:
        """The values [time, batch, neuron]."""
        return time_batch_neuron(self.capture)

    @cached_property
    def batch_sums(self) -> Tensor:
        """The sums over the batch [time, neuron]; one is not finite where any of its elements is not."""
        return self.x.sum(1)

    @cached_property
    def step_sums(self) -> Tensor:
        """The sums over batch and neurons [time]; one is not finite where any of its elements is not.

        Where nothing else needs the values in one piece, large time steps are added up one by one: to stack them would
        move them through memory twice more.
        """
        if "batch_sums" in vars(self):
            return self.batch_sums.sum(1)
        values = self.capture.values
        if "x" not in vars(self) and self.capture.stacked and is_large_on_cpu(values[0]):
            kind = torch.float64 if values[0].dtype == torch.float64 else torch.float32
            return torch.stack([value.detach().sum(dtype=kind) for value in values])
        return self.x.flatten(1).sum(1)

    @cached_property
    def elements(self) -> int:
        """The number of values."""
        return sum(value.numel() for value in self.capture.values)

    @cached_property
    def step_maxima(self) -> Tensor:
        """The largest value of each time step [time]."""
        return maximum(self.x.flatten(1), (1,))

    @cached_property
    def batch_sums_and_step_maxima(self) -> tuple[Tensor, Tensor]:
        """Both, of one way through the values.

        To stack a whole sequence asks the system for new memory in each forward pass, and moves the values to it and
        back: 2 of 3 milliseconds for 100 time steps of 64 kB. A chunk of a few time steps stays in the cache.
        """
        values = self.capture.values
        if self.whole or not (self.capture.stacked and is_large_on_cpu(values[0])):
            return self.batch_sums, self.step_maxima
        size = max(1, CHUNK_BYTES // (values[0].numel() * values[0].element_size()))
        chunks = [Raster(replace(self.capture, values=values[at : at + size])) for at in range(0, len(values), size)]
        return torch.cat([one.batch_sums for one in chunks]), torch.cat([one.step_maxima for one in chunks])

    @property
    def time_axis_known(self) -> bool:
        """Whether the time axis is known."""
        return self.capture.layout.time is not None


def is_large_on_cpu(step: Tensor) -> bool:
    """Return whether an operation of its own on this time step takes longer than to start one."""
    return step.device.type == "cpu" and step.numel() >= LARGE_STEP


class RasterStatistic(Statistic[S]):
    """A statistic of values over time, batch and neurons, which shares its reductions with others of its kind."""

    def measure(self, capture: Capture[Tensor]) -> S:
        """Return the state of one capture."""
        return self.measure_raster(Raster(capture))

    def measure_raster(self, raster: Raster) -> S:
        """Return the state of one capture, under the conditions of `measure`."""
        raise NotImplementedError


def smallest_distinct(x: Tensor) -> Tensor:
    """Return the MAX_DISTINCT smallest distinct values of x, padded with inf: the shape does not depend on values."""
    x = torch.cat([x.flatten(), x.new_full((MAX_DISTINCT,), torch.inf)]).sort().values
    duplicate = torch.cat([x.new_zeros(1, dtype=torch.bool), x[1:] == x[:-1]])
    return x.where(~duplicate, x.new_tensor(torch.inf)).sort().values[:MAX_DISTINCT]


def merge_distinct(a: Tensor, b: Tensor) -> Tensor:
    """Merge rule of a field from `smallest_distinct`."""
    return smallest_distinct(torch.cat([a, b]))


def fingerprint(x: Tensor) -> Tensor:
    """Return a number for each row of x that identifies its values and their order, practically without collisions."""
    weights = torch.arange(x.shape[1], dtype=torch.float64, device=x.device).cos()
    return (x.double().nan_to_num(0, 0, 0) * weights).sum(1)


def repeats(marks: Tensor) -> Tensor:
    """Return [first fingerprint, last fingerprint, number of consecutive repetitions] for one or more fingerprints."""
    return torch.stack([marks[0], marks[-1], (marks[1:] == marks[:-1]).sum().to(marks)])


def merge_repeats(a: Tensor, b: Tensor) -> Tensor:
    """Merge rule of a field from `repeats`."""
    return torch.stack([a[0], b[1], a[2] + b[2] + (a[1] == b[0])])


def even_sample(x: Tensor, size: int = SAMPLE_SIZE) -> Tensor:
    """Return an even sample of at most about `size` elements of x.

    The stride and the number of elements are coprime, so the sample does not hit the same channels repeatedly.
    """
    flat = x.reshape(-1)
    stride = -(-flat.numel() // size) or 1
    while math.gcd(stride, flat.numel()) > 1:
        stride += 1
    return flat[::stride]


def is_known(condition: Tensor) -> bool:
    """Return whether a condition holds, where to ask costs less than to compute: False unless in the host's memory."""
    return condition.device.type == "cpu" and bool(condition)


def square_sum(x: Tensor) -> Tensor:
    """Return the sum of the squares, without writing them: new memory takes longer than to read the values."""
    return torch.dot(x.flatten(), x.flatten())


def minimum(x: Tensor) -> Tensor:
    """Return the smallest element; inf for an empty tensor."""
    return x.amin() if x.numel() else x.new_full((), torch.inf)


def maximum(x: Tensor, dims: tuple[int, ...] = ()) -> Tensor:
    """Return the largest element along dims (default: all); -inf for an empty tensor."""
    return x.amax(dims) if x.numel() else x.sum(dims).fill_(-torch.inf)


def extremes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest element: in one reading where the elements follow each other in memory."""
    if not (x.numel() and x.is_contiguous()):
        return minimum(x), maximum(x)
    lowest, highest = torch.aminmax(x)
    return lowest, highest


def to_float(extreme: Tensor, elements: int) -> float:
    """Return an extreme as a float, 0 if there were no elements; waits for the device: call it in `summarize` only."""
    return float(extreme) if elements else 0.0


@dataclass(frozen=True)
class NonFiniteState(State):
    """Number of non-finite sums, of all sums, and the first (update, step) with one."""

    count: Tensor = merged_by(torch.add)
    total: int = merged_by(operator.add)
    first: Tensor = merged_by(torch.minimum)  # update * MAX_TIME_STEPS + step; NEVER if all are finite

    @classmethod
    def of_steps(cls, sums: Tensor, update: int) -> NonFiniteState:
        """Build from sums [time]; a sum is non-finite if any of its elements is."""
        bad = ~torch.isfinite(sums)
        at = torch.arange(len(sums), device=sums.device) + update * MAX_TIME_STEPS
        never = at.new_full((1,), NEVER)
        return cls(bad.sum(), len(sums), torch.cat([at.where(bad, never), never]).amin())

    @classmethod
    def of_updates(cls, sums: Tensor, updates: Sequence[int]) -> NonFiniteState:
        """Build from sums [update, n]."""
        bad = ~torch.isfinite(sums)
        at = torch.tensor(updates, device="cpu").to(sums.device, non_blocking=True) * MAX_TIME_STEPS
        return cls(bad.sum(), bad.numel(), at.where(bad.any(1), NEVER).amin())

    def reading(self, time_axis_known: bool) -> NonFinite:
        """Return plain numbers; waits for the device: call it in `summarize` only."""
        count, at = int(self.count), int(self.first)
        if count == 0:
            return NonFinite(0, self.total)
        update, step = divmod(at, MAX_TIME_STEPS)
        return NonFinite(count, self.total, Moment(update, step if time_axis_known else None))
