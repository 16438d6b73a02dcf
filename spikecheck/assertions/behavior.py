"""Assertions that an output depends neither on the previous batch, nor on other samples, nor on later time steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from spikecheck.assertions.failure import fail, first_place
from spikecheck.assertions.watched import (
    Batch,
    LayerSpikes,
    Observed,
    Reset,
    devices,
    isolated_copy,
    observe,
    tensors_of,
    type_name,
)
from spikecheck.errors import SpikecheckError
from spikecheck.number_format import number
from spikecheck.site import Layout

CLOSE = 1e-5  # judgment call, relative to the largest value: the same operations on the same shapes differ by less
AXES = "pass time_axis= and batch_axis=, for example 1 and 0 for [batch, time, channel]"


def assert_state_resets(
    model: nn.Module,
    batch: Batch,
    *,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
    time_axis: int | None = None,
    batch_axis: int | None = None,
) -> None:
    """Assert that no state is carried from one batch to the next.

    The same batch must give the same output twice, also with another batch in between, and a smaller batch must be
    possible after a larger one. The copy runs in `eval()` mode, without dropout and batch statistics.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: the input tensor, or (input, target), as a DataLoader yields it.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does before each batch, if the model
            does not reset itself.
        time_axis: time axis of the input, where it is not detected automatically: 1 for [batch, time, channel].
        batch_axis: batch axis of the input, likewise.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, or the model returns no tensor.
    """
    __tracebackhide__ = True
    axes = Layout(time_axis, batch_axis)
    tip = "reset the state before each batch; if the training loop does that with a function, pass it as reset="
    with isolated_copy(model, train=False) as copied:
        first = again(copied, batch, spikes, reset, axes)
        for between in (None, torch.ones_like(first.first)):  # every input on leaves another state behind
            if between is not None:
                again(copied, with_input(first, between), spikes, reset, axes)
            if rows := differences(first, again(copied, batch, spikes, reset, axes)):
                problem = "the same batch gives a different output the second time"
                fail(problem, rows, "the same spikes and the same output each time", tip)
        axis = first.axes.batch
        if axis is None or first.first.shape[axis] < 2:
            return
        fewer = first.first.shape[axis] // 2
        smaller = tuple(cut(part, axis, fewer, first.first.shape[axis]) for part in first.inputs)
        error = error_of(lambda: again(copied, (*smaller, None), spikes, reset, axes))
    if error:
        with isolated_copy(model, train=False) as fresh:
            if error_of(lambda: again(fresh, (*smaller, None), spikes, reset, axes)) is None:
                where = f"a batch of {fewer} after a batch of {first.first.shape[axis]}"
                fail(
                    "a smaller batch cannot follow a larger one",
                    [(where, error)],
                    "any batch size works",
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
    """Assert that the output for one sample does not depend on the other samples of the batch.

    Half of the samples are set to zero, then the other half. The copy runs in `eval()` mode, since batch normalization
    mixes samples in training mode.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: the input tensor, or (input, target), as a DataLoader yields it.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.
        time_axis: time axis of the input, where it is not detected automatically: 1 for [batch, time, channel].
        batch_axis: batch axis of the input, likewise.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, the batch axis is unknown or has a single sample, or the input is
            all zeros.
    """
    __tracebackhide__ = True
    with isolated_copy(model, train=False) as copied:
        axes = Layout(time_axis, batch_axis)
        base = again(copied, batch, spikes, reset, axes)
        axis = base.axes.batch
        if axis is None:
            raise SpikecheckError(f"the batch axis of the input {tuple(base.first.shape)} is unknown: {AXES}")
        size = base.first.shape[axis]
        if axis == base.axes.time:
            text = f"the layers take its {size} entries as time steps, and the target has {size} entries too"
            where = f"axis {axis} of the input {tuple(base.first.shape)}"
            tip = "pass the input as the model expects it, for example x.transpose(0, 1), or set batch_first"
            fail("the batch axis is used as the time axis", [(where, text)], "time steps along another axis", tip)
        if size < 2:
            raise SpikecheckError(f"at least 2 samples are needed, axis {axis} of the input has {size}")
        if not bool(base.first.any()):
            raise SpikecheckError("the input is all zeros: setting samples to zero would change nothing")
        halves = [list(range(size // 2)), list(range(size // 2, size))]
        for rest, zeroed in (halves, halves[::-1]):
            changed = with_slice(base, axis, zeroed, torch.zeros_like)
            other = again(copied, changed, spikes, reset, axes)
            if rows := differences(base, other, lambda layout: layout.batch, rest):
                problem = "the output for one sample depends on other samples of the batch"
                tip = "check operations over the batch axis: mean, normalization, reshape, a state without a batch axis"
                fail(problem, rows, f"no change: only samples {zeroed[0]} to {zeroed[-1]} were set to zero", tip)


def assert_causal_in_time(
    model: nn.Module,
    batch: Batch,
    *,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
    time_axis: int | None = None,
    batch_axis: int | None = None,
) -> None:
    """Assert that the spikes of a time step do not depend on later time steps of the input.

    The second half of the input is set to zeros, then to ones; the spikes of the first half must not change, nor the
    output if it has the time axis of the input.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: the input tensor, or (input, target), as a DataLoader yields it.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.
        time_axis: time axis of the input, where it is not detected automatically: 1 for [batch, time, channel].
        batch_axis: batch axis of the input, likewise.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, the time axis is unknown or has a single step, or neither a spiking
            layer nor the output has it.
    """
    __tracebackhide__ = True
    with isolated_copy(model, train=False) as copied:
        axes = Layout(time_axis, batch_axis)
        base = again(copied, batch, spikes, reset, axes)
        axis = base.axes.time
        if axis is None:
            raise SpikecheckError(f"the time axis of the input {tuple(base.first.shape)} is unknown: {AXES}")
        steps = base.first.shape[axis]
        if steps < 2:
            raise SpikecheckError(f"at least 2 time steps are needed, axis {axis} of the input has {steps}")
        early, late = list(range(steps // 2)), list(range(steps // 2, steps))
        if not any(sized(shown, steps) for shown in base.layers) and timed(base, steps) is None:
            raise SpikecheckError(f"nothing to compare: neither a spiking layer nor the output has {steps} time steps")
        for fill in (torch.zeros_like, torch.ones_like):
            other = again(copied, with_slice(base, axis, late, fill), spikes, reset, axes)
            if rows := differences(base, other, lambda layout: layout.time, early, steps):
                problem = "spikes depend on later time steps"
                tip = "check operations over the time axis: flip, normalization, padding, attention without a mask"
                fail(problem, rows, f"no change before time step {late[0]}: the input was changed from there on", tip)


def again(model: nn.Module, batch: Batch, spikes: Iterable[str], reset: Reset | None, axes: Layout) -> Observed:
    """Run one forward pass and restore the random state, so that two forward passes draw the same random numbers."""
    with torch.random.fork_rng(devices=devices(model)):
        return observe(model, batch, spikes=spikes, reset=reset, axes=axes)


def error_of(call: Callable[[], object]) -> str | None:
    """Return the error that a call raises; None if it raises none."""
    try:
        call()
    except (RuntimeError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return None


def cut(part: Any, axis: int, keep: int, size: int) -> Any:
    """Return the first few samples of an input; an input without that axis is returned unchanged."""
    fits = isinstance(part, Tensor) and part.dim() > axis and part.shape[axis] == size
    return part.narrow(axis, 0, keep) if fits else part


def with_slice(base: Observed, axis: int, where: list[int], fill: Callable[[Tensor], Tensor]) -> tuple[Any, ...]:
    """Return the batch with some positions along an axis of its input replaced."""
    changed = base.first.clone()
    index = torch.tensor(where, device=changed.device)
    changed.index_copy_(axis, index, fill(changed.index_select(axis, index)))
    return with_input(base, changed)


def with_input(base: Observed, changed: Tensor) -> tuple[Any, ...]:
    """Return the batch with another tensor as its input."""
    return (*(changed if part is base.first else part for part in base.inputs), base.target)


def sized(shown: LayerSpikes, steps: int) -> bool:
    """Return whether a layer has as many time steps as the input."""
    return shown.layout.time is not None and shown.spikes.shape[shown.layout.time] == steps


def timed(observed: Observed, steps: int) -> Layout | None:
    """Return the axes of an output with the same time axis as the input; None for other outputs."""
    time, output = observed.axes.time, tensors_of(observed.output)
    if time is None or not output or output[0].dim() <= time or output[0].shape[time] != steps:
        return None
    batch = observed.axes.batch
    fits = batch is not None and output[0].dim() > batch and output[0].shape[batch] == observed.first.shape[batch]
    return Layout(time, batch if fits else None)


def output_layout(observed: Observed) -> Layout:
    """Return the batch axis of the output: the only axis of its size, else that of the input, else the first."""
    outputs, axis = tensors_of(observed.output), observed.axes.batch
    if not outputs:
        raise SpikecheckError(f"the model returned {type_name(observed.output)}, without a tensor to compare")
    if axis is None:
        return Layout()
    fits = [i for i, size in enumerate(outputs[0].shape[:2]) if size == observed.first.shape[axis]]
    if not fits:
        return Layout()
    return Layout(batch=axis if axis in fits and outputs[0].dim() == observed.first.dim() else fits[0])


def differences(
    base: Observed,
    other: Observed,
    along: Callable[[Layout], int | None] = lambda layout: None,
    positions: list[int] | None = None,
    steps: int | None = None,
) -> list[tuple[str, str]]:
    """Return where two forward passes differ, as (where, observed), in the order of the data flow.

    With `positions`, only these are compared, on the axis that `along` selects; tensors without that axis are skipped.
    """
    rows = []
    for a, b in zip(base.layers, other.layers, strict=False):
        if a.name == b.name and (steps is None or sized(a, steps)):
            rows += row(f"spikes of {a.name}", a.spikes, b.spikes, a.layout, along, positions)
    layout = output_layout(base) if steps is None else timed(base, steps)
    if layout is not None:
        before, after = tensors_of(base.output)[0], tensors_of(other.output)[0]
        rows += row("output", before, after, layout, along, positions, "class")
    return rows


def row(
    name: str,
    a: Tensor,
    b: Tensor,
    layout: Layout,
    along: Callable[[Layout], int | None],
    positions: list[int] | None,
    rest: str = "neuron",
) -> list[tuple[str, str]]:
    """Return the first place where two tensors differ, or nothing."""
    axis = along(layout)
    if positions is not None and axis is None:
        return []
    if a.shape != b.shape:
        return [(name, f"shape {tuple(a.shape)}, then {tuple(b.shape)}")]
    if not a.numel():
        return []
    a, b = a.detach().double(), b.detach().double()
    differs = ~torch.isclose(
        a, b, rtol=0, atol=CLOSE * max(1.0, float(a.abs().nan_to_num(0, 0, 0).max())), equal_nan=True
    )
    if positions is not None and axis is not None:
        compared = torch.zeros(a.shape[axis], dtype=torch.bool, device=a.device)
        compared[positions] = True
        differs = differs & compared.reshape([-1 if i == axis else 1 for i in range(a.dim())])
    if not bool(differs.any()):
        return []
    where, index = first_place(differs, layout, rest)
    count = f"{int(differs.sum()):,} of {a.numel():,} values differ"
    return [(f"{name}, first at {where}", f"{number(float(a[index]))}, then {number(float(b[index]))}; {count}")]
