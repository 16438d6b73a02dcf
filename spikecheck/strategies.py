"""Hypothesis strategies for spiking data: spike trains, event streams, frames, labels, small networks.

Needs `pip install 'spikecheck[hypothesis]'`. Every tensor is drawn as the list of its events, so that a failing example
shrinks to the fewest spikes, in the smallest tensor, at the lowest indices.

    from spikecheck import strategies

    @given(strategies.spike_trains(shape=(20, 4, 10), max_rate=0.3))
    def test_a_layer_takes_any_train(train): ...
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

STEPS, SAMPLES, NEURONS = (1, 12), (1, 3), (1, 6)  # taste: small enough to read, large enough for every kind of mistake
DECAYS = st.sampled_from([0.0, 0.5, 0.9, 1.0])
THRESHOLDS = st.sampled_from([1.0, 0.5, 0.1])
MOST_EVENTS = 64  # of one example, unless a rate asks for more
TONIC = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.bool_)])  # tonic.io.events_struct
SHD = np.dtype([("t", np.int64), ("x", np.int64), ("p", np.int64)])  # tonic.datasets.SHD.dtype


def size(given: Size) -> st.SearchStrategy[int]:
    """A size as a number, a range, or a strategy of one's own."""
    if isinstance(given, int):
        return st.just(given)
    return st.integers(*given) if isinstance(given, tuple) else given


def shapes(shape: Sequence[Size] | None) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes [time, batch, neuron...]: of the given sizes, or small ones."""
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
    """Binary spikes [time, batch, neuron...], with a rate per neuron and step from `min_rate` to `max_rate`.

    After a spike, a neuron is silent for `refractory` steps; `min_rate` cannot be promised beside it.
    """
    if not 0 <= min_rate <= max_rate <= 1:
        raise InvalidArgument(f"0 <= min_rate <= max_rate <= 1 is wanted, got {min_rate!r} and {max_rate!r}")
    if refractory and min_rate:
        raise InvalidArgument("min_rate and refractory exclude each other")
    sizes = draw(shapes(shape))
    elements = int(np.prod(sizes))
    low, high = int(np.ceil(min_rate * elements)), int(np.floor(max_rate * elements))
    if low > high:
        raise InvalidArgument(f"no number of spikes in {elements} bins has a rate from {min_rate} to {max_rate}")
    high = min(high, max(low, MOST_EVENTS))
    train = torch.zeros(elements, dtype=dtype)
    train[sorted(draw(places(elements, low, high)))] = 1
    return rested(train.reshape(sizes), refractory)


def places(elements: int, low: int, high: int) -> st.SearchStrategy[list[int]]:
    """From `low` to `high` of so many places, each once; none of none."""
    if elements == 0 or high == 0:
        return st.just([])
    if low > elements // 2:  # to draw the few that are left out is quick, to draw the many is not
        return places(elements, elements - high, elements - low).map(
            lambda out: [place for place in range(elements) if place not in set(out)]
        )
    return st.lists(st.integers(0, elements - 1), min_size=low, max_size=high, unique=True)


def rested(train: Tensor, refractory: int) -> Tensor:
    """The train without the spikes that come too soon after one of the same neuron."""
    if refractory:
        rest = torch.zeros(train.shape[1:], dtype=torch.int64)
        for step in train:
            step[rest > 0] = 0
            rest = torch.where(step > 0, refractory, (rest - 1).clamp(min=0))
    return train


@st.composite
def count_trains(
    draw: Draw, shape: Sequence[Size] | None = None, *, most: int = 5, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Counts [time, batch, neuron...] from 0 to `most` in a bin, with one bin above 1 at least."""
    if most < 2:
        raise InvalidArgument(f"most={most!r}: a count above 1 is wanted")
    sizes = draw(shapes(shape))
    elements = int(np.prod(sizes))
    if elements == 0:
        raise InvalidArgument(f"a tensor of shape {sizes} has no bin")
    counts = torch.zeros(elements, dtype=dtype)
    for place, count in draw(
        st.dictionaries(st.integers(0, elements - 1), st.integers(1, most), max_size=MOST_EVENTS)
    ).items():
        counts[place] = count
    counts[draw(st.integers(0, elements - 1))] = draw(st.integers(2, most))
    return counts.reshape(sizes)


@st.composite
def empty_trains(draw: Draw, shape: Sequence[Size] | None = None, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """No spike at all [time, batch, neuron...]."""
    return torch.zeros(draw(shapes(shape)), dtype=dtype)


@st.composite
def one_channel_trains(
    draw: Draw, shape: Sequence[Size] | None = None, *, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Spikes [time, batch, neuron...] of one neuron alone, the same in every sample; one spike at least."""
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
    """Spikes [time, batch, neuron...] in runs of `length` steps, one run at least; a run ends where the train does."""
    sizes = draw(shapes(shape))
    train = torch.zeros(sizes, dtype=dtype)
    flat = train.reshape(sizes[0], -1)
    begins = st.tuples(st.integers(0, sizes[0] - 1), st.integers(0, flat.shape[1] - 1), size(length))
    for begin, neuron, steps in draw(st.lists(begins, min_size=1, max_size=6)):
        flat[begin : begin + steps, neuron] = 1
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
    """Events as tonic has them: a structured array, `t` in microseconds from 0 to below `duration`, in order of time.

    `sensor_size` is (width, height, polarities). `dtype` says which fields there are, and in which order: TONIC has x,
    y, t, p; SHD has t, x, p.
    """
    if "t" not in (dtype.names or ()):
        raise InvalidArgument(f"dtype={dtype!r}: a field t is wanted")
    width, height, polarities = sensor_size
    limits = {"x": width, "y": height, "t": duration, "p": polarities}
    fields = [name for name in ("t", "x", "y", "p") if name in (dtype.names or ())]
    event = st.tuples(*(st.integers(0, limits[name] - 1) for name in fields))
    drawn = sorted(draw(st.lists(event, min_size=min_events, max_size=max_events)))
    events = np.zeros(len(drawn), dtype=dtype)
    for column, name in enumerate(fields):
        events[name] = [row[column] for row in drawn]
    return events


@st.composite
def frames(
    draw: Draw, sensor_size: tuple[int, int, int] = (4, 4, 2), *, steps: Size = STEPS, most: int = 3
) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Frames as tonic's ToFrame makes them: int16 counts [time, polarity, height, width], from 0 to `most` in a bin."""
    width, height, polarities = sensor_size
    made = np.zeros((draw(size(steps)), polarities, height, width), dtype=np.int16)
    if made.size:
        counts = st.dictionaries(st.integers(0, made.size - 1), st.integers(1, most), max_size=MOST_EVENTS)
        for place, count in draw(counts).items():
            made.flat[place] = count
    return made


def labels(samples: Size = SAMPLES, classes: int = 3) -> st.SearchStrategy[Tensor]:
    """Class indices [sample], as cross-entropy takes them."""
    if classes < 1:
        raise InvalidArgument(f"classes={classes!r}: one or more are wanted")
    lists = size(samples).flatmap(lambda n: st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    return lists.map(lambda drawn: torch.tensor(drawn, dtype=torch.int64))


class FastSigmoid(torch.autograd.Function):
    """A spike above the threshold, with the derivative of a fast sigmoid for its gradient."""

    @staticmethod
    def forward(ctx: Any, over: Tensor) -> Tensor:
        """1 where the potential is above the threshold."""
        ctx.save_for_backward(over)
        return (over > 0).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The surrogate gradient."""
        (over,) = ctx.saved_tensors
        passed: Tensor = gradients[0] / (1 + 5 * over.abs()) ** 2
        return passed


class LIF(nn.Module):
    """Leaky integrate-and-fire neurons: currents [time, batch, neuron] to spikes of the same shape."""

    def __init__(self, decay: float, threshold: float) -> None:
        super().__init__()
        self.decay, self.threshold = decay, threshold

    def extra_repr(self) -> str:
        """What is between the brackets of the printed layer."""
        return f"decay={self.decay}, threshold={self.threshold}"

    def forward(self, current: Tensor) -> Tensor:
        """Run all steps from rest; a spike takes the threshold off the potential."""
        potential, spikes = torch.zeros_like(current[0]), []
        for step in current:
            potential = self.decay * potential + step
            spikes.append(FastSigmoid.apply(potential - self.threshold))  # type: ignore[no-untyped-call]
            potential = potential - self.threshold * spikes[-1].detach()
        return torch.stack(spikes)


class SmallNetwork(nn.Sequential):
    """Linear and LIF layers in turn, a linear readout at the end: [time, batch, input] to [batch, class]."""

    def forward(self, x: Tensor) -> Tensor:
        """The readout's mean over time."""
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
    """Small networks of hand-written neurons, [time, batch, input] to logits [batch, class]; the seed is drawn, too."""
    widths = [inputs, *(draw(size(hidden)) for _ in range(draw(size(layers))))]
    parts: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draw(st.integers(0, 2**16)))
        for before, after in pairwise(widths):
            parts += [nn.Linear(before, after), LIF(draw(decays), draw(thresholds))]
        return SmallNetwork(*parts, nn.Linear(widths[-1], classes))
