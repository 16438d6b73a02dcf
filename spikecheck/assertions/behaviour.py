"""Assertions on what one run may depend on: not on the batch before, not on the other samples, not on the future."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.assertions.failure import fail, first_place, number
from spikecheck.assertions.watched import Batch, Observed, Reset, Shown, apart, devices, look, said, tensors_of
from spikecheck.errors import SpikecheckError
from spikecheck.site import Layout

CLOSE = 1e-5  # taste: of the largest value; the same operations on the same shapes differ by less, if at all
AXES = "pass time_axis= and batch_axis=, such as 1 and 0 for [batch, time, channel]"


def assert_state_resets(
    model: nn.Module,
    batch: Batch,
    *,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
    time_axis: int | None = None,
    batch_axis: int | None = None,
) -> None:
    """The same batch gives the same output again, also after another batch, and a smaller one can follow a larger one.

    `reset` is what the training loop calls before each batch, where the model does not reset itself: it is given the
    copy. The model is evaluated (`eval()`), so that dropout and batch normalisation change nothing.
    """
    __tracebackhide__ = True
    told = Layout(time_axis, batch_axis)
    tip = "start every batch from rest; reset=function for what the training loop calls before each batch"
    with apart(model, train=False) as twin:
        first = again(twin, batch, spikes, reset, told)
        for between in (None, torch.ones_like(first.first)):  # every input on leaves another state behind
            if between is not None:
                again(twin, with_input(first, between), spikes, reset, told)
            if rows := unlike(first, again(twin, batch, spikes, reset, told)):
                claim = "the same batch gives another output when it comes again"
                fail(claim, rows, "the same spikes and the same output", tip)
        axis = first.axes.batch
        if axis is None or first.first.shape[axis] < 2:
            return
        fewer = first.first.shape[axis] // 2
        smaller = tuple(cut(part, axis, fewer, first.first.shape[axis]) for part in first.inputs)
        trouble = raised(lambda: again(twin, (*smaller, None), spikes, reset, told))
    if trouble:
        with apart(model, train=False) as fresh:
            if raised(lambda: again(fresh, (*smaller, None), spikes, reset, told)) is None:
                where = f"a batch of {fewer} after one of {first.first.shape[axis]}"
                fail(
                    "a smaller batch cannot follow a larger one",
                    [(where, trouble)],
                    "the size of the batch is free",
                    tip,
                )


def assert_batch_independent(
    model: nn.Module,
    batch: Batch,
    *,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
    time_axis: int | None = None,
    batch_axis: int | None = None,
) -> None:
    """What the model says of one sample does not depend on the others: half of them are silenced, then the other half.

    The model is evaluated (`eval()`): batch normalisation in training mixes samples on purpose.
    """
    __tracebackhide__ = True
    with apart(model, train=False) as twin:
        told = Layout(time_axis, batch_axis)
        base = again(twin, batch, spikes, reset, told)
        axis = base.axes.batch
        if axis is None:
            raise SpikecheckError(f"which axis of the input {tuple(base.first.shape)} is the batch? {AXES}")
        size = base.first.shape[axis]
        if axis == base.axes.time:
            seen = f"the layers run along it, in {size} steps, and the target has as many entries"
            claim = "the axis of the batch is taken for time"
            fail(
                claim, [(f"axis {axis} of the input {tuple(base.first.shape)}", seen)], "time steps along another axis"
            )
        if size < 2:
            raise SpikecheckError(f"a batch of two samples or more is needed, axis {axis} of the input has {size}")
        if not bool(base.first.any()):
            raise SpikecheckError("the input is 0 throughout: silencing a sample would change nothing")
        halves = [list(range(size // 2)), list(range(size // 2, size))]
        for kept, silenced in (halves, halves[::-1]):
            changed = with_slice(base, axis, silenced, torch.zeros_like)
            other = again(twin, changed, spikes, reset, told)
            if rows := unlike(base, other, lambda layout: layout.batch, kept):
                claim = "what the model says of a sample depends on other samples of the batch"
                fail(claim, rows, f"no change: samples {silenced[0]} to {silenced[-1]} alone were silenced")


def assert_causal_in_time(
    model: nn.Module,
    batch: Batch,
    *,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
    time_axis: int | None = None,
    batch_axis: int | None = None,
) -> None:
    """What a layer emits at a step does not depend on later steps of the input.

    The second half of the input is silenced, then filled; the spikes of the first half must stay. An output that has
    the input's time axis is held to the same.
    """
    __tracebackhide__ = True
    with apart(model, train=False) as twin:
        told = Layout(time_axis, batch_axis)
        base = again(twin, batch, spikes, reset, told)
        axis = base.axes.time
        if axis is None:
            raise SpikecheckError(f"which axis of the input {tuple(base.first.shape)} is time? {AXES}")
        steps = base.first.shape[axis]
        if steps < 2:
            raise SpikecheckError(f"two time steps or more are needed, axis {axis} of the input has {steps}")
        early, late = list(range(steps // 2)), list(range(steps // 2, steps))
        if not any(sized(shown, steps) for shown in base.layers) and timed(base, steps) is None:
            raise SpikecheckError(
                f"neither a spiking layer nor the output shows {steps} time steps: nothing to compare"
            )
        for fill in (torch.zeros_like, torch.ones_like):
            other = again(twin, with_slice(base, axis, late, fill), spikes, reset, told)
            if rows := unlike(base, other, lambda layout: layout.time, early, steps):
                claim = "what a layer emits depends on later time steps"
                fail(claim, rows, f"no change before step {late[0]}: the input was changed from there on")


def again(model: nn.Module, batch: Batch, spikes: Iterable[str], reset: Reset | None, told: Layout) -> Observed:
    """One forward, with the random state put back, so that two forwards draw the same numbers."""
    with torch.random.fork_rng(devices=devices(model)):
        return look(model, batch, spikes=spikes, reset=reset, axes=told)


def raised(call: Callable[[], object]) -> str | None:
    """What torch said when it refused; None where it did not."""
    try:
        call()
    except (RuntimeError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return None


def cut(part: Any, axis: int, keep: int, size: int) -> Any:
    """The first few samples of an input; as it is where it has no such axis."""
    fits = isinstance(part, Tensor) and part.dim() > axis and part.shape[axis] == size
    return part.narrow(axis, 0, keep) if fits else part


def with_slice(base: Observed, axis: int, where: list[int], fill: Callable[[Tensor], Tensor]) -> tuple[Any, ...]:
    """The batch with some positions of an axis of its input filled anew."""
    changed = base.first.clone()
    index = torch.tensor(where, device=changed.device)
    changed.index_copy_(axis, index, fill(changed.index_select(axis, index)))
    return with_input(base, changed)


def with_input(base: Observed, changed: Tensor) -> tuple[Any, ...]:
    """The batch with another tensor in place of its input."""
    return (*(changed if part is base.first else part for part in base.inputs), base.target)


def sized(shown: Shown, steps: int) -> bool:
    """Does a layer show as many time steps as the input has?"""
    return shown.layout.time is not None and shown.spikes.shape[shown.layout.time] == steps


def timed(seen: Observed, steps: int) -> Layout | None:
    """The axes of an output that has the input's time axis in the same place; None where it has not."""
    time, output = seen.axes.time, tensors_of(seen.output)
    if time is None or not output or output[0].dim() <= time or output[0].shape[time] != steps:
        return None
    batch = seen.axes.batch
    fits = batch is not None and output[0].dim() > batch and output[0].shape[batch] == seen.first.shape[batch]
    return Layout(time, batch if fits else None)


def rowed(seen: Observed) -> Layout:
    """The batch axis of the output: the only one of its size, else the input's, else the first."""
    outputs, axis = tensors_of(seen.output), seen.axes.batch
    if not outputs:
        raise SpikecheckError(f"the model returned {said(seen.output)}, which holds no tensor to compare")
    if axis is None:
        return Layout()
    fits = [i for i, size in enumerate(outputs[0].shape[:2]) if size == seen.first.shape[axis]]
    if not fits:
        return Layout()
    return Layout(batch=axis if axis in fits and outputs[0].dim() == seen.first.dim() else fits[0])


def unlike(
    base: Observed,
    other: Observed,
    along: Callable[[Layout], int | None] = lambda layout: None,
    kept: list[int] | None = None,
    steps: int | None = None,
) -> list[tuple[str, str]]:
    """Where two forwards differ, as (where, seen), the most upstream place first.

    `kept` are the only positions compared, on the axis that `along` picks; what has no such axis is left out then.
    """
    rows = []
    for a, b in zip(base.layers, other.layers, strict=False):
        if a.name == b.name and (steps is None or sized(a, steps)):
            rows += row(f"spikes of {a.name}", a.spikes, b.spikes, a.layout, along, kept)
    layout = rowed(base) if steps is None else timed(base, steps)
    if layout is not None:
        before, after = tensors_of(base.output)[0], tensors_of(other.output)[0]
        rows += row("output", before, after, layout, along, kept, "class")
    return rows


def row(
    name: str,
    a: Tensor,
    b: Tensor,
    layout: Layout,
    along: Callable[[Layout], int | None],
    kept: list[int] | None,
    rest_is: str = "neuron",
) -> list[tuple[str, str]]:
    """One place where two tensors differ, or none."""
    axis = along(layout)
    if kept is not None and axis is None:
        return []
    if a.shape != b.shape:
        return [(name, f"shape {tuple(a.shape)}, then {tuple(b.shape)}")]
    if not a.numel():
        return []
    a, b = a.detach().double(), b.detach().double()
    unlike = ~torch.isclose(
        a, b, rtol=0, atol=CLOSE * max(1.0, float(a.abs().nan_to_num(0, 0, 0).max())), equal_nan=True
    )
    if kept is not None and axis is not None:
        mine = torch.zeros(a.shape[axis], dtype=torch.bool, device=a.device)
        mine[kept] = True
        unlike = unlike & mine.reshape([-1 if i == axis else 1 for i in range(a.dim())])
    if not bool(unlike.any()):
        return []
    where, index = first_place(unlike, layout, rest_is)
    count = f"{int(unlike.sum()):,} of {a.numel():,} values differ"
    seen = f"{number(float(a[index]))}, then {number(float(b[index]))}; {count}"
    return [(f"{name}, first at {where}", seen)]
