"""Captures as from the probe, drawn by Hypothesis: values, dtypes, layouts, empty tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from torch import Tensor

from spikecheck.site import Capture, Layout, LearningRateHistory, LossCall, Site, SiteKind

# Sums of these are exact in float32, so a difference is an error, not rounding.
FINITE = (0.0, 1.0, 2.0, -1.0, 0.5, 0.25, 7.0, -64.0, 60000.0)
VALUES = (*FINITE, np.nan, np.inf, -np.inf)
FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
DTYPES = (*FLOATS, torch.bool, torch.uint8, torch.int8, torch.int64)
RASTERS = (SiteKind.SPIKES, SiteKind.CURRENT, SiteKind.POTENTIAL, SiteKind.INPUT)
TIMES = {  # tensors per parameter in one capture
    SiteKind.GRADIENT: 1,
    SiteKind.PARAMETER: 1,
    SiteKind.UPDATE: 3,
    SiteKind.STALE_GRADIENT: 1,
    SiteKind.GRADIENT_AT_STEP: 2,
    SiteKind.UNUSED_GRADIENT: 4,
    SiteKind.UNDONE_UPDATE: 3,
}
LISTS = tuple(TIMES)


@dataclass(frozen=True)
class Arrangement:
    """A layout in which a raster [time, batch, neuron...] is captured."""

    name: str
    layout: Layout
    arrange: Callable[[Tensor], tuple[Tensor, ...]]
    stacked: bool = False


ARRANGEMENTS = (
    Arrangement("time first", Layout(0, 1), lambda x: (x,)),
    Arrangement("batch first", Layout(1, 0), lambda x: (x.movedim(1, 0),)),
    Arrangement("time last", Layout(x_last := 2, 0), lambda x: (x.movedim(0, x_last),)),
    Arrangement("step by step", Layout(0, 1), lambda x: tuple(x), stacked=True),
    Arrangement("no batch", Layout(0, None), lambda x: (x[:, 0],)),
)
NO_TIME = Arrangement("no time", Layout(None, 0), lambda x: (x[0],))
NOTHING_KNOWN = Arrangement("nothing known", Layout(), lambda x: (x,))


def tensor(values: NDArray[Any], dtype: torch.dtype) -> Tensor:
    """Convert values to a dtype; NaN and fractions become the nearest value of an integer dtype."""
    if dtype not in FLOATS:
        low, high = (0, 1) if dtype is torch.bool else (torch.iinfo(dtype).min, torch.iinfo(dtype).max)
        values = np.clip(np.nan_to_num(values, posinf=100, neginf=0), low, min(high, 60000))
    return torch.from_numpy(values.copy()).to(dtype)


def arrays(*shape: int, values: tuple[float, ...] = VALUES) -> st.SearchStrategy[NDArray[Any]]:
    return hnp.arrays(np.float64, shape, elements=st.sampled_from(values), fill=st.sampled_from((0.0, 1.0)))


def capture(kind: SiteKind, how: Arrangement, x: Tensor, update: int) -> Capture[Tensor]:
    return Capture((Site(kind, "here"),), how.arrange(x), how.layout, update=update, stacked=how.stacked)


@st.composite
def raster(draw: st.DrawFn, kind: SiteKind, most: int) -> list[Capture[Tensor]]:
    """Draw several forward passes of one layer; only the numbers of time steps and samples vary."""
    how = draw(st.sampled_from((*ARRANGEMENTS, NO_TIME, NOTHING_KNOWN)))
    dtype = draw(st.sampled_from(DTYPES))
    neurons = draw(st.sampled_from(((1,), (3,), (2, 2))))
    forward_passes = []
    for number in range(draw(st.integers(1, most))):
        steps = draw(st.integers(1 if how.stacked or how is NO_TIME else 0, 4))
        samples = draw(st.integers(1 if how.name == "no batch" else 0, 3))
        x = draw(arrays(*((2, 2) if how is NOTHING_KNOWN else (steps, samples)), *neurons))
        forward_passes.append(capture(kind, how, tensor(x, dtype), number + draw(st.integers(0, 1))))
    return forward_passes


@st.composite
def calls(draw: st.DrawFn, kind: SiteKind, most: int) -> list[Capture[Tensor]]:
    """Draw several updates of a loss: logits, targets or values, from one or more calls each."""
    classes = draw(st.integers(1, 4))
    more = draw(st.sampled_from(((), (2,))))  # pixels
    indices = kind in SiteKind.TARGETS | SiteKind.LABELS
    dtype = draw(st.sampled_from((torch.int64, torch.uint8) if indices else FLOATS))
    ignored = draw(st.sampled_from((None, -64, 1)))
    call = LossCall("cross_entropy", classes, draw(st.booleans()), draw(st.booleans()), ignored)
    updates = []
    for number in range(draw(st.integers(1, most))):
        values = []
        for _ in range(1 if kind is SiteKind.LABELS else draw(st.integers(1, 2))):
            samples = draw(st.integers(0, 3))
            shape = {SiteKind.LOGITS: (samples, classes, *more), SiteKind.TARGETS: (samples, *more), SiteKind.LOSS: ()}
            shape[SiteKind.LABELS] = (samples,)
            x = draw(arrays(*shape[kind]))
            values.append(tensor(x.astype(float), dtype))
        updates.append(Capture((Site(kind, "here"),), tuple(values), update=number, loss_call=call))
    return updates


@st.composite
def lists(draw: st.DrawFn, kind: SiteKind, most: int) -> list[Capture[Tensor]]:
    """Draw several updates of all parameters; an empty tensor is a missing gradient."""
    shapes = draw(st.lists(st.sampled_from(((3,), (2, 3), (1, 2, 2), ())), min_size=1, max_size=3))
    dtype = draw(st.sampled_from(FLOATS))
    updates = []
    for number in range(draw(st.integers(1, most))):
        values = [tensor(draw(arrays(*shape)), dtype) for _ in range(TIMES[kind]) for shape in shapes]
        if kind in SiteKind.GRADIENT | SiteKind.STALE_GRADIENT | SiteKind.GRADIENT_AT_STEP:
            values = [v.new_empty(0) if draw(st.integers(0, 3)) == 0 else v for v in values]
        if kind is SiteKind.UPDATE:  # gradients of 1 or -1, with which sums stay exact; some are missing
            signs = [v.sign() for v in values[2 * len(shapes) :]]
            values[2 * len(shapes) :] = [v.new_empty(0) if draw(st.integers(0, 3)) == 0 else v for v in signs]
        if kind is SiteKind.UNUSED_GRADIENT:  # both gradients may be missing, the values are there
            grads, rest = values[: 2 * len(shapes)], values[2 * len(shapes) :]
            values = [v.new_empty(0) if draw(st.integers(0, 3)) == 0 else v for v in grads] + rest
        if kind in SiteKind.UNUSED_GRADIENT | SiteKind.UNDONE_UPDATE and draw(st.booleans()):
            for place in range(len(shapes)):  # nothing moved
                at = (2 if kind is SiteKind.UNUSED_GRADIENT else 0) * len(shapes) + place
                values[at + len(shapes)] = values[at]
        sites = tuple(Site(kind, f"parameter {place}") for place in range(len(shapes)))
        rates = tuple(draw(st.sampled_from((None, 0.1, 0.01))) for _ in shapes) if kind is SiteKind.UPDATE else ()
        learning_rate_histories = tuple(
            None if rate is None else LearningRateHistory(rate, 0.1, 1.0, 1 + number) for rate in rates
        )
        updates.append(
            Capture(
                sites,
                tuple(values),
                update=number,
                learning_rates=rates,
                learning_rate_histories=learning_rate_histories,
            )
        )
    return updates


@st.composite
def initial_states(draw: st.DrawFn, kind: SiteKind, most: int) -> list[Capture[Tensor]]:
    """Draw the initial states of several sequences."""
    dtype = draw(st.sampled_from(DTYPES))
    sizes = [draw(st.lists(st.integers(0, 3), min_size=1, max_size=2)) for _ in range(draw(st.integers(1, most)))]
    return [
        Capture((Site(kind, "here"),), tuple(tensor(draw(arrays(size)), dtype) for size in of), update=number)
        for number, of in enumerate(sizes)
    ]


@st.composite
def sequence_starts(draw: st.DrawFn, most: int) -> list[Capture[Tensor]]:
    """Draw the state at the beginning of sequences, and the current of their first time step."""
    shape = draw(st.sampled_from(((3, 2), (4, 3), (5, 2, 2))))
    pairs = [[tensor(draw(arrays(*shape, values=FINITE)), torch.float64) for _ in "ab"] for _ in range(most)]
    site = (Site(SiteKind.STATE, "here"),)
    return [Capture(site, (a,), update=n, step_tensors=(b,)) for n, (a, b) in enumerate(pairs)]


@st.composite
def gradients_to_spikes(draw: st.DrawFn, most: int) -> list[Capture[Tensor]]:
    """Draw, for the calls of several forward passes, the time steps with a gradient and those with a spike."""
    passes = []
    for number in range(draw(st.integers(1, most))):
        sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
        values = tuple(tensor(draw(arrays(size)), torch.float32) for _ in range(2) for size in sizes)
        passes.append(Capture((Site(SiteKind.GRADIENT_TO_SPIKES, "here"),), values, update=number))
    return passes


@st.composite
def loss_terms(draw: st.DrawFn, most: int) -> list[Capture[Tensor]]:
    """Draw the part of a loss in a sum, and the sum, for several updates."""
    return [
        Capture(
            (Site(SiteKind.LOSS_TERMS, "here"),),
            tuple(tensor(draw(arrays()), torch.float32) for _ in "ab"),
            update=number,
        )
        for number in range(draw(st.integers(1, most)))
    ]


@st.composite
def regression_targets(draw: st.DrawFn, kind: SiteKind, most: int) -> list[Capture[Tensor]]:
    """Draw outputs and targets of several updates, from one or more calls each; finite, since NaN has no order."""
    dtype = draw(st.sampled_from(FLOATS))
    updates = []
    for number in range(draw(st.integers(1, most))):
        shapes = [(draw(st.integers(0, 3)), 2) for _ in range(draw(st.integers(1, 2)))]
        values = tuple(tensor(draw(arrays(*shape, values=FINITE)), dtype) for _ in range(2) for shape in shapes)
        updates.append(Capture((Site(kind, "here"),), values, update=number))
    return updates


@st.composite
def state_uses(draw: st.DrawFn, most: int) -> list[Capture[Tensor]]:
    """Draw steps of a cell that uses its state or does not, with or without the step's tensors."""
    shape = draw(st.sampled_from(((3,), (2, 4))))
    steps = []
    for number in range(draw(st.integers(1, most))):
        before = tuple(tensor(draw(arrays(*shape, values=FINITE)), torch.float64) for _ in range(2))
        current = tensor(draw(arrays(*shape, values=FINITE)), torch.float64)
        potential = current + before[0] / 2 if draw(st.booleans()) else current
        spikes = (potential > 1).double()
        step = (spikes, current, potential, before[1]) if draw(st.booleans()) else (spikes, current, potential)
        steps.append(Capture((Site(SiteKind.MEMORY, "here"),), before, update=number, step_tensors=step))
    return steps


@st.composite
def optimizer_updates(draw: st.DrawFn, most: int) -> list[Capture[Tensor]]:
    """Draw what an optimizer shows: gradients with a learning rate, and what some updates added to the parameters."""
    shapes = draw(st.lists(st.sampled_from(((3,), (2, 3), (0,))), min_size=1, max_size=2))
    dtype, site = draw(st.sampled_from(FLOATS)), (Site(SiteKind.OPTIMIZER, "here"),)
    updates = []
    for number in range(draw(st.integers(1, most))):
        values = tuple(tensor(draw(arrays(*shape)), dtype) for shape in (*shapes, *shapes))
        if draw(st.booleans()):
            updates.append(Capture(site, (), update=number, step_tensors=values))
        else:
            rate = (draw(st.sampled_from((None, 0.1, 0.01))),)
            updates.append(Capture(site, values, update=number, learning_rates=rate))
    return updates


@st.composite
def class_weights(draw: st.DrawFn, most: int) -> list[Capture[Tensor]]:
    """Draw the weights of as many classes in each update."""
    classes, dtype, site = (
        draw(st.integers(0, 4)),
        draw(st.sampled_from(FLOATS)),
        (Site(SiteKind.CLASS_WEIGHTS, "here"),),
    )
    drawn = [tensor(draw(arrays(classes)), dtype) for _ in range(draw(st.integers(1, most)))]
    return [Capture(site, (weights,), update=number) for number, weights in enumerate(drawn)]


def runs(kind: SiteKind, most: int = 3) -> st.SearchStrategy[list[Capture[Tensor]]]:
    """Draw the captures of one site in a run of up to `most` forward passes or updates."""
    if kind in RASTERS:
        return raster(kind, most)
    if kind in LISTS:
        return lists(kind, most)
    if kind is SiteKind.REGRESSION_TARGET:
        return regression_targets(kind, most)
    if kind is SiteKind.LOSS_TERMS:
        return loss_terms(most)
    if kind is SiteKind.CLASS_WEIGHTS:
        return class_weights(most)
    if kind is SiteKind.MEMORY:
        return st.one_of(initial_states(kind, most), state_uses(most))
    if kind is SiteKind.OPTIMIZER:
        return optimizer_updates(most)
    if kind is SiteKind.GRADIENT_TO_SPIKES:
        return gradients_to_spikes(most)
    if kind is SiteKind.STATE:
        return st.one_of(initial_states(kind, most), sequence_starts(most))
    return calls(kind, most)
