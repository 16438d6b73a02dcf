"""Assertions on spikes: binary, bounded, alive, at the rate that was meant."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import Tensor, nn

from spikecheck.assertions.failure import amount, fail, first_place, number, some
from spikecheck.assertions.watched import Batch, Names, Reset, Shown, apart, look, parts, said
from spikecheck.errors import SpikecheckError
from spikecheck.site import Layout

ONE_A_BIN = "0 or 1 everywhere"


def assert_binary(tensor: Tensor, *, name: str = "tensor") -> None:
    """Every element is 0 or 1."""
    __tracebackhide__ = True
    if not isinstance(tensor, Tensor):
        raise SpikecheckError(f"assert_binary() takes a tensor, got {said(tensor)}")
    if strays := stray(name, tensor, Layout()):
        fail(f"{name} is not binary", [strays], ONE_A_BIN, "x = (x > 0).float()  # where counts are not meant")


def assert_binary_input(
    model: nn.Module, batch: Batch, *, spikes: Iterable[str] = (), reset: Reset | None = None
) -> None:
    """Every bin of the input holds 0 or 1, and not every bin is empty."""
    __tracebackhide__ = True
    with apart(model) as twin:
        seen = look(twin, batch, spikes=spikes, reset=reset)
    tip = "x = (x > 0).float()  # ToFrame sums the events of a bin"
    if strays := stray("input", seen.first, seen.axes, "channel"):
        fail("the input is not binary", [strays], ONE_A_BIN, tip)
    if not bool(seen.first.any()):
        shape = tuple(seen.first.shape)
        fail("the input holds no spike", [("input", f"0 in every bin of {shape}")], "a 1 in some bin")


def assert_spikes_binary(
    model: nn.Module,
    batch: Batch,
    *,
    layer: Names = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Every spiking layer emits 0 or 1."""
    __tracebackhide__ = True
    rows = [
        strays
        for shown in emitted(model, batch, layer, spikes, reset)
        if (strays := stray(shown.name, shown.spikes, shown.layout))
    ]
    if rows:
        fail("spikes are not binary", rows, ONE_A_BIN, "a layer that emits one spike a step, such as SingleSpike")


def assert_max_spikes_per_step(
    model: nn.Module,
    batch: Batch,
    n: float,
    *,
    layer: Names = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """No neuron emits more than `n` spikes in one step."""
    __tracebackhide__ = True
    rows = []
    for shown in emitted(model, batch, layer, spikes, reset):
        over = ~(shown.spikes <= n)
        if bool(over.any()):
            where, _ = first_place(over, shown.layout)
            most = number(float(shown.spikes.float().max()))
            seen = f"up to {most} spikes of a neuron in one step; {amount(int(over.sum()), over.numel())} above {n:g}"
            rows.append((f"{shown.name}, first at {where}", seen))
    if rows:
        fail("a neuron spikes too often in one step", rows, f"at most {n:g} a step")


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
    """Every layer's rate lies from `low` to `high`, in spikes per neuron per step."""
    __tracebackhide__ = True
    if not low <= high:
        raise SpikecheckError(f"the lowest rate is above the highest: low={low!r}, high={high!r}")
    rows = []
    for shown in emitted(model, batch, layer, spikes, reset):
        count = float(shown.spikes.double().sum())
        elements = shown.spikes.numel()
        rate = count / elements if elements else math.nan
        if not low <= rate <= high:
            rows.append((shown.name, f"{rate:.3g} spikes per neuron per step ({count:.0f} in {elements:,} bins)"))
    if rows:
        fail("a firing rate is out of range", rows, f"{low:g} to {high:g} spikes per neuron per step")


def assert_no_dead_layers(
    model: nn.Module,
    batch: Batch,
    *,
    layer: Names = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Every spiking layer emits a spike; a last layer of which the potential alone is read is left out."""
    __tracebackhide__ = True
    with apart(model) as twin:
        seen = look(twin, batch, spikes=spikes, reset=reset, back=layer is None)
    chosen = seen.chosen(layer)
    last = seen.layers[-1].name
    rows = []
    for shown in chosen:
        flow = seen.flows.get(shown.name)
        potential_read = (
            layer is None and shown.name == last and flow is not None and flow.spikes_receive_gradient is False
        )
        if not potential_read and not bool(shown.spikes.any()):
            rows.append((shown.name, f"no spike in {shown.spikes.numel():,} bins{driven(shown)}"))
    if rows:
        fail("a layer is dead", rows, "a spike in some step", "a lower threshold, or larger weights before it")


def driven(shown: Shown) -> str:
    """What a silent layer got, for a sentence; empty where that is not known."""
    if shown.current is None or not shown.current.numel():
        return ""
    largest = f"; the largest input is {number(float(shown.current.float().max()))}"
    limit = shown.site.neuron.v_threshold if shown.site.neuron is not None else None
    return largest if limit is None else f"{largest}, the threshold {number(limit)}"


def emitted(model: nn.Module, batch: Batch, layer: Names, spikes: Iterable[str], reset: Reset | None) -> list[Shown]:
    """What the chosen layers emit for a batch."""
    parts(batch)
    with apart(model) as twin:
        return look(twin, batch, spikes=spikes, reset=reset).chosen(layer)


def stray(name: str, values: Tensor, layout: Layout, rest_is: str = "neuron") -> tuple[str, str] | None:
    """Where the first value other than 0 and 1 is, and what is there; None where there is none."""
    outside = (values != 0) & (values != 1)
    count = int(outside.sum())
    if not count:
        return None
    where, index = first_place(outside, layout, rest_is)
    value = number(float(values[index]))
    seen = f"{value} there; {amount(count, values.numel())} other than 0 and 1; values {some(values)}"
    return f"{name}, first at {where}", seen
