"""Captures as [time, batch, neuron], and the counting that several statistics share."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

import torch
from torch import Tensor

from spikecheck.readings import NonFinite
from spikecheck.site import Capture, Moment
from spikecheck.stats.base import State, merged

DISTINCT = 16  # distinct values kept: {0, 1, ... 15} covers what a person reads
LOOKED_AT = 4096  # elements a forward that are looked at closely; sorting more would cost more than all the rest
STEPS = 2**20  # more time steps than any forward has: an update and a step fit into one number
NEVER = 2**62  # a number of that kind that does not come


def stacked(capture: Capture[Tensor]) -> Tensor:
    """The capture as one detached tensor: the steps of a forward along axis 0, or the one tensor it holds."""
    values = [value.detach() for value in capture.values]
    return torch.stack(values) if capture.stacked else values[0]


def arranged(capture: Capture[Tensor]) -> Tensor:
    """The capture as [time, batch, neuron] in 32 bits or more; an axis that is not known has length 1."""
    x = stacked(capture)
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    time, batch = capture.layout.time, capture.layout.batch
    known = [axis for axis in (time, batch) if axis is not None]
    x = x.movedim(known, list(range(len(known))))
    if time is None:
        x = x.unsqueeze(0)
    if batch is None:
        x = x.unsqueeze(1)
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def distinct(x: Tensor) -> Tensor:
    """The smallest DISTINCT different values of x [n], padded with inf; no shape depends on the values."""
    x = torch.cat([x.flatten(), x.new_full((DISTINCT,), torch.inf)]).sort().values
    again = torch.cat([x.new_zeros(1, dtype=torch.bool), x[1:] == x[:-1]])
    return x.where(~again, x.new_tensor(torch.inf)).sort().values[:DISTINCT]


def join_distinct(a: Tensor, b: Tensor) -> Tensor:
    """Rule of a field made by `distinct`."""
    return distinct(torch.cat([a, b]))


def fingerprint(x: Tensor) -> Tensor:
    """A number [1] that tells the values of x and their order: the same for the same, and for no other in practice."""
    places = torch.arange(x.numel(), dtype=torch.float64, device=x.device).cos()
    return (x.flatten().double().nan_to_num(0, 0, 0) * places).sum().reshape(1)


def repeats(mark: Tensor) -> Tensor:
    """The first and the last of the marks [1] in a row, and how often one was that before it."""
    return torch.cat([mark, mark, mark.new_zeros(1)])


def join_repeats(a: Tensor, b: Tensor) -> Tensor:
    """Rule of a field made by `repeats`."""
    return torch.stack([a[0], b[1], a[2] + b[2] + (a[1] == b[0])])


def closely(x: Tensor, most: int = LOOKED_AT) -> Tensor:
    """An even sample of the elements of x, at most about `most` of them.

    The stride shares no factor with the number of elements, so that it does not fall on one channel again and again.
    """
    flat = x.reshape(-1)
    stride = -(-flat.numel() // most) or 1
    while math.gcd(stride, flat.numel()) > 1:
        stride += 1
    return flat[::stride]


def nonzero(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """How many elements along dims are not 0, as a float; NaN is not 0.

    The comparison writes floats, since `count_nonzero` and sums of bools take twice to five times as long on a CPU
    (torch 2.13, [100, 64, 256]), and this runs in every forward.
    """
    return torch.ne(x, 0, out=torch.empty_like(x)).sum(dims)


def lowest(x: Tensor) -> Tensor:
    """The smallest element; of no elements, what changes no minimum."""
    return x.amin() if x.numel() else x.new_full((), torch.inf)


def highest(x: Tensor, dims: tuple[int, ...] = ()) -> Tensor:
    """The largest element along dims (all of them); of no elements, what changes no maximum."""
    return x.amax(dims) if x.numel() else x.sum(dims).fill_(-torch.inf)


def told(extreme: Tensor, elements: int) -> float:
    """An extreme as a number, 0 where there was no element; summarize alone may call this."""
    return float(extreme) if elements else 0.0


@dataclass(frozen=True)
class BadState(State):
    """Non-finite sums: their number, out of how many, and the first (update, step) of them."""

    count: Tensor = merged(torch.add)
    out_of: int = merged(operator.add)
    first: Tensor = merged(torch.minimum)  # update * STEPS + step of the first, NEVER where all are finite

    @classmethod
    def of(cls, sums: Tensor, update: int) -> BadState:
        """From sums [time, n], or [n] where there is no time; a sum is non-finite where any element of it is."""
        bad = ~torch.isfinite(sums)
        per_step = bad.flatten(1).any(1) if bad.dim() > 1 else bad.any().reshape(1)
        at = torch.arange(len(per_step), device=sums.device) + update * STEPS
        never = at.new_full((1,), NEVER)
        return cls(bad.sum(), bad.numel(), torch.cat([at.where(per_step, never), never]).amin())

    def reading(self, timed: bool) -> NonFinite:
        """In plain numbers; summarize alone may call this, since it waits for the device."""
        count, at = int(self.count), int(self.first)
        if count == 0:
            return NonFinite(0, self.out_of)
        update, step = divmod(at, STEPS)
        return NonFinite(count, self.out_of, Moment(update, step if timed else None))
