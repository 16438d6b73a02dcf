"""Hypothesis strategies for spiking data: spike trains, event streams, frames, labels, small networks.

Needs `pip install 'spikecheck[hypothesis]'`. Every tensor is drawn as a list of events, so that a failing example
shrinks to few spikes, a small tensor and low indices.

`shape=(time, batch, neuron...)` sets the size of each axis: a number, a range (smallest, largest), or a strategy for
integers. By default, tensors have 1 to 12 time steps, 1 to 3 samples and 1 to 6 neurons. `dtype=` is that of the
tensor. An argument that allows no example raises `hypothesis.errors.InvalidArgument`.

    from spikecheck import strategies

    @given(strategies.spike_trains(shape=(20, 4, 10), max_rate=0.3))
    def test_layer_accepts_any_spike_train(train): ...
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from torch import Tensor, nn

Draw = st.DrawFn
Size = int | tuple[int, int] | st.SearchStrategy[int]

STEPS, SAMPLES, NEURONS = (1, 12), (1, 3), (1, 6)  # judgment call: small enough to read
DECAYS = st.sampled_from([0.0, 0.5, 0.9, 1.0])
THRESHOLDS = st.sampled_from([1.0, 0.5, 0.1])
MAX_EVENTS = 64  # per example, unless a minimum rate needs more
TONIC = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])  # tonic.io.events_struct
SHD = np.dtype([("t", np.int64), ("x", np.int64), ("p", np.int64)])  # tonic.datasets.SHD.dtype


def size(value: Size) -> st.SearchStrategy[int]:
    """Convert a size (`value`: a number, a range or a strategy) to a strategy."""
    if isinstance(value, int):
        return st.just(value)
    return st.integers(*value) if isinstance(value, tuple) else value


def shapes(shape: Sequence[Size] | None) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw shapes [time, batch, neuron...] of the given sizes; small ones by default."""
    return st.tuples(*map(size, (STEPS, SAMPLES, NEURONS) if shape is None else shape))


@st.composite
def spike_trains(
    draw: Draw,
    shape: Sequence[Size] | None = None,
    *,
    min_rate: float = 0.0,
    max_rate: float = 1.0,
    refractory: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Draw binary spikes [time, batch, neuron...] with a rate per neuron and time step from `min_rate` to `max_rate`.

    After a spike, a neuron is silent for `refractory` time steps; this cannot be combined with `min_rate`.
    """
    if not 0 <= min_rate <= max_rate <= 1:
        raise InvalidArgument(f"expected 0 <= min_rate <= max_rate <= 1, got {min_rate!r} and {max_rate!r}")
    if refractory and min_rate:
        raise InvalidArgument("min_rate and refractory cannot be combined")
    sizes = draw(shapes(shape))
    elements = int(np.prod(sizes))
    low, high = int(np.ceil(min_rate * elements)), int(np.floor(max_rate * elements))
    if low > high:
        raise InvalidArgument(f"no number of spikes in {elements} bins has a rate from {min_rate} to {max_rate}")
    high = min(high, max(low, MAX_EVENTS))
    train = torch.zeros(elements, dtype=dtype)
    train[sorted(draw(indices(elements, low, high)))] = 1
    return with_refractory_period(train.reshape(sizes), refractory)


def indices(elements: int, low: int, high: int) -> st.SearchStrategy[list[int]]:
    """Draw `low` to `high` distinct indices below `elements`; an empty list if there are none."""
    if elements == 0 or high == 0:
        return st.just([])
    if low > elements // 2:  # drawing the few excluded indices is faster than drawing the many included
        return indices(elements, elements - high, elements - low).map(
            lambda out: [place for place in range(elements) if place not in set(out)]
        )
    return st.lists(st.integers(0, elements - 1), min_size=low, max_size=high, unique=True)


def with_refractory_period(train: Tensor, refractory: int) -> Tensor:
    """Remove spikes of a `train` [time, ...] within `refractory` time steps after a spike of the same neuron."""
    if refractory:
        rest = torch.zeros(train.shape[1:], dtype=torch.int64)
        for step in train:
            step[rest > 0] = 0
            rest = torch.where(step > 0, refractory, (rest - 1).clamp(min=0))
    return train


@st.composite
def count_trains(
    draw: Draw, shape: Sequence[Size] | None = None, *, max_count: int = 5, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw counts [time, batch, neuron...] from 0 to `max_count` per bin, at least one of them above 1."""
    if max_count < 2:
        raise InvalidArgument(f"max_count={max_count!r}: expected at least 2")
    sizes = draw(shapes(shape))
    elements = int(np.prod(sizes))
    if elements == 0:
        raise InvalidArgument(f"a tensor of shape {sizes} has no bins")
    counts = torch.zeros(elements, dtype=dtype)
    for place, count in draw(
        st.dictionaries(st.integers(0, elements - 1), st.integers(1, max_count), max_size=MAX_EVENTS)
    ).items():
        counts[place] = count
    counts[draw(st.integers(0, elements - 1))] = draw(st.integers(2, max_count))
    return counts.reshape(sizes)


@st.composite
def empty_trains(draw: Draw, shape: Sequence[Size] | None = None, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Draw trains [time, batch, neuron...] without any spike."""
    return torch.zeros(draw(shapes(shape)), dtype=dtype)


@st.composite
def one_channel_trains(
    draw: Draw, shape: Sequence[Size] | None = None, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw spikes [time, batch, neuron...] of a single neuron, the same in every sample; at least one spike."""
    sizes = draw(shapes(shape))
    train = torch.zeros(sizes, dtype=dtype)
    flat = train.reshape(*sizes[:2], -1)
    channel = draw(st.integers(0, flat.shape[2] - 1))
    for step in draw(st.lists(st.integers(0, sizes[0] - 1), min_size=1, max_size=sizes[0], unique=True)):
        flat[step, :, channel] = 1
    return train


@st.composite
def bursts(
    draw: Draw, shape: Sequence[Size] | None = None, *, length: Size = (1, 4), dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw spikes [time, batch, neuron...] in bursts of `length` steps, at least one; the end may cut one short."""
    sizes = draw(shapes(shape))
    train = torch.zeros(sizes, dtype=dtype)
    flat = train.reshape(sizes[0], -1)
    starts = st.tuples(st.integers(0, sizes[0] - 1), st.integers(0, flat.shape[1] - 1), size(length))
    for start, neuron, steps in draw(st.lists(starts, min_size=1, max_size=6)):
        flat[start : start + steps, neuron] = 1
    return train


@st.composite
def event_streams(
    draw: Draw,
    sensor_size: tuple[int, int, int] = (4, 4, 2),
    *,
    min_events: int = 0,
    max_events: int = 12,
    duration: int = 1000,
    dtype: np.dtype[Any] = TONIC,
) -> np.ndarray[Any, np.dtype[Any]]:
    """Draw `min_events` to `max_events` events in tonic's format: a structured array sorted by time.

    `sensor_size` is (width, height, polarities); `t` is in microseconds, below `duration`. `dtype` defines the fields:
    TONIC has x, y, t, p; SHD has t, x, p.
    """
    if "t" not in (dtype.names or ()):
        raise InvalidArgument(f"dtype={dtype!r} has no field t")
    width, height, polarities = sensor_size
    limits = {"x": width, "y": height, "t": duration, "p": polarities}
    fields = [name for name in ("t", "x", "y", "p") if name in (dtype.names or ())]
    event = st.tuples(*(st.integers(0, limits[name] - 1) for name in fields))
    rows = sorted(draw(st.lists(event, min_size=min_events, max_size=max_events)))
    events = np.zeros(len(rows), dtype=dtype)
    for column, name in enumerate(fields):
        events[name] = [row[column] for row in rows]
    return events


@st.composite
def frames(
    draw: Draw, sensor_size: tuple[int, int, int] = (4, 4, 2), *, steps: Size = STEPS, max_count: int = 3
) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Draw frames as from tonic's ToFrame: int16 counts [time, polarity, height, width], up to `max_count` per bin.

    `sensor_size` is (width, height, polarities), `steps` the number of time steps.
    """
    width, height, polarities = sensor_size
    result = np.zeros((draw(size(steps)), polarities, height, width), dtype=np.int16)
    if result.size:
        counts = st.dictionaries(st.integers(0, result.size - 1), st.integers(1, max_count), max_size=MAX_EVENTS)
        for place, count in draw(counts).items():
            result.flat[place] = count
    return result


def labels(samples: Size = SAMPLES, classes: int = 3) -> st.SearchStrategy[Tensor]:
    """Draw the class indices of so many `samples` for cross-entropy: int64, shape (samples,), below `classes`."""
    if classes < 1:
        raise InvalidArgument(f"classes={classes!r}: expected at least 1")
    lists = size(samples).flatmap(lambda n: st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    return lists.map(lambda drawn: torch.tensor(drawn, dtype=torch.int64))


class FastSigmoid(torch.autograd.Function):
    """A spike above the threshold, with a fast sigmoid as surrogate gradient."""

    @staticmethod
    def forward(ctx: Any, over: Tensor) -> Tensor:
        """Return 1 where the potential is above the threshold, else 0."""
        ctx.save_for_backward(over)
        return (over > 0).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the surrogate gradient."""
        (over,) = ctx.saved_tensors
        gradient: Tensor = gradients[0] / (1 + 5 * over.abs()) ** 2
        return gradient


class LIF(nn.Module):
    """Leaky integrate-and-fire neurons, from currents [time, batch, neuron] to spikes of the same shape.

    The potential becomes `decay` times itself plus the current; above `threshold`, the neuron spikes, and the threshold
    is subtracted.
    """

    def __init__(self, decay: float, threshold: float) -> None:
        super().__init__()
        self.decay, self.threshold = decay, threshold

    def extra_repr(self) -> str:
        """Return the parameters for the printed representation."""
        return f"decay={self.decay}, threshold={self.threshold}"

    def forward(self, current: Tensor) -> Tensor:
        """Return the spikes for a `current`, from potential 0."""
        potential, spikes = torch.zeros_like(current[0]), []
        for step in current:
            potential = self.decay * potential + step
            spikes.append(FastSigmoid.apply(potential - self.threshold))  # type: ignore[no-untyped-call]
            potential = potential - self.threshold * spikes[-1].detach()
        return torch.stack(spikes)


class SmallNetwork(nn.Sequential):
    """Linear and LIF layers and a linear readout, from [time, batch, input] to logits [batch, class]."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits for an input `x`: the mean of the readout over time."""
        logits: Tensor = super().forward(x).mean(0)  # type: ignore[no-untyped-call]
        return logits


@st.composite
def networks(
    draw: Draw,
    inputs: int = 4,
    classes: int = 3,
    *,
    hidden: Size = (1, 6),
    layers: Size = (1, 3),
    decays: st.SearchStrategy[float] = DECAYS,
    thresholds: st.SearchStrategy[float] = THRESHOLDS,
) -> SmallNetwork:
    """Draw small networks of `LIF` layers with random weights, from [time, batch, input] to logits [batch, class].

    `inputs`, `hidden` (of each layer), `classes` and `layers` are sizes; `decays` and `thresholds` draw those of each
    layer.
    """
    widths = [inputs, *(draw(size(hidden)) for _ in range(draw(size(layers))))]
    parts: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draw(st.integers(0, 2**16)))
        for before, after in pairwise(widths):
            parts += [nn.Linear(before, after), LIF(draw(decays), draw(thresholds))]
        return SmallNetwork(*parts, nn.Linear(widths[-1], classes))
