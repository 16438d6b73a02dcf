"""Carries what was counted of a file to the checks: as evidence, in plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from spikecheck.checkpoint.content import Content, Optimizer
from spikecheck.checkpoint.names import Layer, TensorName, layers, name_tensors
from spikecheck.checkpoint.values import TensorRef
from spikecheck.checks.base import Observations
from spikecheck.readings import RunReading
from spikecheck.site import Site, SiteKind
from spikecheck.stats.stored import StoredStats
from spikecheck.stats.stored_neurons import moment_reading, neuron_reading, with_reach
from spikecheck.stored import StoredNeuronReading

Counted = Mapping[TensorRef, StoredStats]


@dataclass
class Gathered:
    """Sites and readings, as they are found."""

    sites: list[Site] = field(default_factory=list)
    readings: dict[str, dict[type[Any], Any]] = field(default_factory=dict)

    def add(self, kind: SiteKind, name: str, reading: object, position: int) -> None:
        """One reading at one site."""
        self.sites.append(Site(kind, name, position))
        self.readings.setdefault(name, {})[type(reading)] = reading


def evidence(content: Content, counted: Counted) -> Observations:
    """What the checks judge."""
    floating = {name: ref.dtype.startswith(("float", "bfloat", "complex")) for name, ref in content.tensors.items()}
    named = name_tensors({name: ref.shape for name, ref in content.tensors.items()}, floating)
    gathered = Gathered()
    for position, one in enumerate(named, start=1):
        ref = content.tensors[one.name]
        gathered.add(SiteKind.STORED, one.name, counted[ref].summarize(one.role), position)
    place = {site.name: site.position for site in gathered.sites}
    for layer in layers(named):
        for parameter in layer.parameters:
            reading = neuron(parameter, layer, content, counted)
            if reading is not None:
                gathered.add(SiteKind.STORED_NEURON, parameter.name, reading, place[parameter.name])
    for number, optimizer in enumerate(content.optimizers):
        prefix = "optimizer" if len(content.optimizers) == 1 else f"optimizer {number}"
        moments(prefix, optimizer, named, content, counted, gathered)
    updates = steps(content, counted) or max(content.counters.values(), default=0)
    run = RunReading(live=False, update=updates, forward_passes=0, backward_passes=0, called_per_time_step=False)
    return Observations(
        run, tuple(gathered.sites), {"recent": gathered.readings, "all": gathered.readings, "first": {}}
    )


def neuron(one: TensorName, layer: Layer, content: Content, counted: Counted) -> StoredNeuronReading | None:
    """What a neuron's parameter is; None where something in it is not finite, or it is too large to be one."""
    stats = counted[content.tensors[one.name]]
    if stats.kept is None or stats.state.nan or stats.state.infinite:
        return None
    reading = neuron_reading(one.means, stats.kept, layer.owner, outer=layer.first, last=layer.last)
    if one.means != "threshold":
        return reading
    drives = driving(layer, content, counted)
    others = [(other, counted[content.tensors[other.name]].kept) for other in layer.parameters if other != one]
    decays = [values for other, values in others if other.means == "decay" and values is not None]
    if drives is None or not decays or len(decays) < len(others):  # how long it adds up is not known
        return reading
    return with_reach(reading, stats.kept, drives, decays)


def driving(layer: Layer, content: Content, counted: Counted) -> list[torch.Tensor] | None:
    """What each weight and bias before a layer adds at most in a step: [neuron]; None where that is not known."""
    drives = []
    for name, ref in content.tensors.items():
        if name.rpartition(".")[0] in (layer.feeders or ()):
            stats = counted[ref]
            own = stats.rows.positive if stats.rows is not None else stats.kept if len(ref.shape) == 1 else None
            if own is None or stats.state.nan or stats.state.infinite or ref.remark:
                return None
            drives.append(own)
    return drives


def moments(
    prefix: str,
    optimizer: Optimizer,
    named: tuple[TensorName, ...],
    content: Content,
    counted: Counted,
    gathered: Gathered,
) -> None:
    """The moments of each parameter, under the parameter's name where that can be told."""
    wanted: list[tuple[Any, float | None, str | None]] = []
    for group in optimizer.groups:
        names, rate = group.get("param_names"), group.get("lr")
        members = group.get("params")
        for place, key in enumerate(members if isinstance(members, list) else []):
            told = names[place] if isinstance(names, list) and len(names) > place else None
            wanted.append((key, rate if isinstance(rate, float) else None, told if isinstance(told, str) else None))
    held = {key: tensors(optimizer.state.get(key, {})) for key, _, _ in wanted}
    called = parameters([(key, told, held[key]) for key, _, told in wanted], named, content)
    present = sum(1 for slots in held.values() if slots)
    order = {one.name: place for place, one in enumerate(named, start=1)}
    for number, (key, rate, _) in enumerate(wanted):
        name = called.get(key, f"parameter {number}")
        position = order.get(name, number + 1)
        slots = []
        for slot, ref in held[key].items():
            slots.append(counted[ref].summarize("moment"))
            gathered.add(SiteKind.STORED, f"{prefix}: {name} {slot}", slots[-1], position)
        step = called_per_time_step(optimizer.state.get(key, {}), counted)
        moment = moment_reading(slots, others=present - bool(slots), steps=step, rate=rate)
        gathered.add(SiteKind.MOMENT, f"{prefix}: {name}", moment, position)


def tensors(slots: dict[str, Any]) -> dict[str, TensorRef]:
    """The moments of one parameter: its tensors but for the count of steps."""
    return {str(k): v for k, v in slots.items() if isinstance(v, TensorRef) and k not in ("step", "eta", "mu")}


def steps(content: Content, counted: Counted) -> int:
    """How many updates the optimizers counted; 0 where they did not."""
    counts = (
        called_per_time_step(slots, counted) for optimizer in content.optimizers for slots in optimizer.state.values()
    )
    return int(max((count for count in counts if count is not None and math.isfinite(count)), default=0))


def called_per_time_step(slots: dict[str, Any], counted: Counted) -> float | None:
    """How many updates the optimizer counted of one parameter."""
    step = slots.get("step")
    if isinstance(step, TensorRef):
        return counted[step].state.maximum if counted[step].state.elements == 1 else None
    return float(step) if isinstance(step, int | float) else None


def parameters(
    wanted: list[tuple[Any, str | None, dict[str, TensorRef]]], named: tuple[TensorName, ...], content: Content
) -> dict[Any, str]:
    """The names of an optimizer's parameters: as it says, or by their order, where every shape fits."""
    if all(told is not None for _, told, _ in wanted):
        return {key: told for key, told, _ in wanted if told is not None}
    trained = [n.name for n in named if n.leaf not in ("running_mean", "running_var", "num_batches_tracked")]
    plain = [n.name for n in named if n.role != "neuron" and n.name in trained]
    plain = [name for name in plain if name.rpartition(".")[2] not in ("graded_spikes_factor", "reset_mechanism_val")]
    for names in (plain, trained):
        fits = len(names) == len(wanted) and all(
            not slots or content.tensors[name].shape in {ref.shape for ref in slots.values()}
            for name, (_, _, slots) in zip(names, wanted, strict=True)
        )
        if fits:
            return {key: name for name, (key, _, _) in zip(names, wanted, strict=True)}
    return {}


def refs(content: Content) -> dict[TensorRef, bool]:
    """Every tensor whose values are wanted, and whether its rows are: those of moments are not."""
    found = dict.fromkeys(content.tensors.values(), True)
    for optimizer in content.optimizers:
        for slots in optimizer.state.values():
            for value in slots.values():
                if isinstance(value, TensorRef):
                    found.setdefault(value, False)
    return found
