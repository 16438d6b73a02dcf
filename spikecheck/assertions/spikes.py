"""Assertions on spikes: binary, bounded, not silent, at the intended firing rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor, nn

from spikecheck.assertions.failure import amount, distinct_values, fail, first_place
from spikecheck.assertions.watched import Batch, LayerSpikes, Names, Reset, isolated_copy, observe, parts, type_name
from spikecheck.errors import SpikecheckError
from spikecheck.number_format import number
from spikecheck.site import Layout

BINARY = "0 or 1 everywhere"
SINGLE = "use a spike function that emits at most one spike per time step, such as SingleSpike"


def assert_binary(tensor: Tensor, *, name: str = "tensor") -> None:
    """Assert that every element is 0 or 1.

    Args:
        tensor: of any shape and type.
        name: what the message calls it.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: `tensor` is no tensor.
    """
    __tracebackhide__ = True
    if not isinstance(tensor, Tensor):
        raise SpikecheckError(f"assert_binary() takes a tensor, got {type_name(tensor)}")
    if strays := stray(name, tensor, Layout()):
        fail(f"{name} is not binary", [strays], BINARY, "x = (x > 0).float()  # if counts are not intended")


def assert_binary_input(
    model: nn.Module, batch: Batch, *, spikes: Iterable[str] = (), reset: Reset | None = None
) -> None:
    """Assert that every bin of the input is 0 or 1, and that not all bins are empty.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: the input tensor, or (input, target), as a DataLoader yields it.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used.
    """
    __tracebackhide__ = True
    with isolated_copy(model) as copied:
        observed = observe(copied, batch, spikes=spikes, reset=reset)
    tip = "x = (x > 0).float()  # tonic's ToFrame sums the events of a bin"
    if strays := stray("input", observed.first, observed.axes, "channel"):
        fail("the input is not binary", [strays], BINARY, tip)
    if not bool(observed.first.any()):
        shape, tip = tuple(observed.first.shape), "check what the data loader returns, and its time window"
        fail("the input contains no spikes", [("input", f"all values of shape {shape} are 0")], "at least one 1", tip)


def assert_spikes_binary(
    model: nn.Module,
    batch: Batch,
    *,
    layer: Names = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that every spiking layer emits only 0 and 1.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: the input tensor, or (input, target), as a DataLoader yields it.
        layer: names or patterns of the spiking layers to look at, such as "lif1" or "lif*"; all of them by default.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, or no spiking layer was observed.
    """
    __tracebackhide__ = True
    rows = [
        strays
        for shown in emitted(model, batch, layer, spikes, reset)
        if (strays := stray(shown.name, shown.spikes, shown.layout))
    ]
    if rows:
        fail("spikes are not binary", rows, BINARY, SINGLE)


def assert_max_spikes_per_step(
    model: nn.Module,
    batch: Batch,
    n: float,
    *,
    layer: Names = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that no neuron emits more than `n` spikes in one time step.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: the input tensor, or (input, target), as a DataLoader yields it.
        n: spikes per neuron per time step.
        layer: names or patterns of the spiking layers to look at, such as "lif1" or "lif*"; all of them by default.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, or no spiking layer was observed.
    """
    __tracebackhide__ = True
    rows = []
    for shown in emitted(model, batch, layer, spikes, reset):
        over = ~(shown.spikes <= n)
        if bool(over.any()):
            where, _ = first_place(over, shown.layout)
            most = number(float(shown.spikes.float().max()))
            observed = f"up to {most} spikes per step; {amount(int(over.sum()), over.numel())} are above {n:g}"
            rows.append((f"{shown.name}, first at {where}", observed))
    if rows:
        fail("a neuron emits too many spikes in one time step", rows, f"at most {n:g} per step", SINGLE)


def assert_firing_rate(
    model: nn.Module,
    batch: Batch,
    low: float,
    high: float,
    layer: Names = None,
    *,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that the mean firing rate of every layer is from `low` to `high`.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: the input tensor, or (input, target), as a DataLoader yields it.
        low: lowest rate that passes, in spikes per neuron per time step.
        high: highest rate that passes.
        layer: names or patterns of the spiking layers to look at, such as "lif1" or "lif*"; all of them by default.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, or no spiking layer was observed.
    """
    __tracebackhide__ = True
    if not low <= high:
        raise SpikecheckError(f"low={low!r} is above high={high!r}")
    rows = []
    for shown in emitted(model, batch, layer, spikes, reset):
        count = float(shown.spikes.double().sum())
        elements = shown.spikes.numel()
        rate = count / elements if elements else math.nan
        if not low <= rate <= high:
            rows.append((shown.name, f"{number(rate)} spikes per neuron per step ({count:,.0f} in {elements:,} bins)"))
    if rows:
        tip = "a lower threshold or larger weights raise the rate, a higher threshold or smaller weights lower it"
        fail("a firing rate is out of range", rows, f"{low:g} to {high:g} spikes per neuron per step", tip)


def assert_no_dead_layers(
    model: nn.Module,
    batch: Batch,
    *,
    layer: Names = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that every spiking layer emits spikes, except a last layer whose potential alone is the output.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: the input tensor, or (input, target), as a DataLoader yields it.
        layer: names or patterns of the spiking layers to look at, such as "lif1" or "lif*"; all of them by default.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails.
        SpikecheckError: an argument cannot be used, or no spiking layer was observed.
    """
    __tracebackhide__ = True
    with isolated_copy(model) as copied:
        observed = observe(copied, batch, spikes=spikes, reset=reset, backward=layer is None)
    chosen = observed.chosen(layer)
    last = observed.layers[-1].name
    rows = []
    for shown in chosen:
        flow = observed.flows.get(shown.name)
        potential_read = (
            layer is None and shown.name == last and flow is not None and flow.spikes_receive_gradient is False
        )
        if not potential_read and not bool(shown.spikes.any()):
            rows.append((shown.name, f"no spikes in {shown.spikes.numel():,} bins{drive(shown)}"))
    if rows:
        fail("a layer is silent", rows, "at least one spike", "lower its threshold, or scale up the weights before it")


def drive(shown: LayerSpikes) -> str:
    """Return the input current of a silent layer and its threshold; "" if they are unknown."""
    if shown.current is None or not shown.current.numel():
        return ""
    largest = f"; the largest input current is {number(float(shown.current.float().max()))}"
    limit = shown.site.neuron.v_threshold if shown.site.neuron is not None else None
    return largest if limit is None else f"{largest}, the threshold {number(limit)}"


def emitted(
    model: nn.Module, batch: Batch, layer: Names, spikes: Iterable[str], reset: Reset | None
) -> list[LayerSpikes]:
    """Return the spikes of the chosen layers for a batch."""
    parts(batch)
    with isolated_copy(model) as copied:
        return observe(copied, batch, spikes=spikes, reset=reset).chosen(layer)


def stray(name: str, values: Tensor, layout: Layout, rest: str = "neuron") -> tuple[str, str] | None:
    """Return where the first value other than 0 and 1 is, and what is there; None if there is none."""
    outside = (values != 0) & (values != 1)
    count = int(outside.sum())
    if not count:
        return None
    where, index = first_place(outside, layout, rest)
    value = number(float(values[index]))
    observed = (
        f"{value}; {amount(count, values.numel())} are neither 0 nor 1; distinct values {distinct_values(values)}"
    )
    return f"{name}, first at {where}", observed
