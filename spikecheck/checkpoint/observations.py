"""Turn the statistics of a file's tensors into what the checks judge by: sites, and readings in plain numbers."""

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

Scanned = Mapping[TensorRef, StoredStats]


@dataclass
class Collector:
    """Collect sites and their readings."""

    sites: list[Site] = field(default_factory=list)
    readings: dict[str, dict[type[Any], Any]] = field(default_factory=dict)

    def add(self, kind: SiteKind, name: str, reading: object, position: int) -> None:
        """Add a reading at a site."""
        self.sites.append(Site(kind, name, position))
        self.readings.setdefault(name, {})[type(reading)] = reading


def observe(content: Content, statistics: Scanned) -> Observations:
    """Return what the checks judge by."""
    floating = {name: ref.dtype.startswith(("float", "bfloat", "complex")) for name, ref in content.tensors.items()}
    named = name_tensors({name: ref.shape for name, ref in content.tensors.items()}, floating)
    collector = Collector()
    for position, one in enumerate(named, start=1):
        ref = content.tensors[one.name]
        collector.add(SiteKind.STORED, one.name, statistics[ref].summarize(one.role), position)
    place = {site.name: site.position for site in collector.sites}
    for layer in layers(named):
        for parameter in layer.parameters:
            reading = neuron(parameter, layer, content, statistics)
            if reading is not None:
                collector.add(SiteKind.STORED_NEURON, parameter.name, reading, place[parameter.name])
    for number, optimizer in enumerate(content.optimizers):
        prefix = "optimizer" if len(content.optimizers) == 1 else f"optimizer {number}"
        moments(prefix, optimizer, named, content, statistics, collector)
    updates = counted_updates(content, statistics) or max(content.counters.values(), default=0)
    run = RunReading(live=False, update=updates, forward_passes=0, backward_passes=0, called_per_time_step=False)
    return Observations(
        run, tuple(collector.sites), {"recent": collector.readings, "all": collector.readings, "first": {}}
    )


def neuron(one: TensorName, layer: Layer, content: Content, statistics: Scanned) -> StoredNeuronReading | None:
    """Return the reading of a neuron's parameter; None if it is not finite, or too large for a parameter."""
    stats = statistics[content.tensors[one.name]]
    if stats.vector is None or stats.state.nan or stats.state.infinite:
        return None
    reading = neuron_reading(one.means, stats.vector, layer.owner, outer=layer.first, last=layer.last)
    if one.means != "threshold":
        return reading
    drives = largest_drives(layer, content, statistics)
    others = [(other, statistics[content.tensors[other.name]].vector) for other in layer.parameters if other != one]
    decays = [values for other, values in others if other.means == "decay" and values is not None]
    if drives is None or not decays or len(decays) < len(others):  # how long the potential adds up is not known
        return reading
    return with_reach(reading, stats.vector, drives, decays)


def largest_drives(layer: Layer, content: Content, statistics: Scanned) -> list[torch.Tensor] | None:
    """Return what each weight and bias before a layer adds at most per time step, [neuron]; None if not known."""
    drives = []
    for name, ref in content.tensors.items():
        if name.rpartition(".")[0] in (layer.feeders or ()):
            stats = statistics[ref]
            own = stats.rows.positive if stats.rows is not None else stats.vector if len(ref.shape) == 1 else None
            if own is None or stats.state.nan or stats.state.infinite or ref.remark:
                return None
            drives.append(own)
    return drives


def moments(
    prefix: str,
    optimizer: Optimizer,
    named: tuple[TensorName, ...],
    content: Content,
    statistics: Scanned,
    collector: Collector,
) -> None:
    """Add the moments of each parameter, under the parameter's name if it is known."""
    members: list[tuple[Any, float | None, str | None]] = []
    for group in optimizer.groups:
        names, rate = group.get("param_names"), group.get("lr")
        keys = group.get("params")
        for place, key in enumerate(keys if isinstance(keys, list) else []):
            name = names[place] if isinstance(names, list) and len(names) > place else None
            members.append((key, rate if isinstance(rate, float) else None, name if isinstance(name, str) else None))
    moments_of = {key: moment_tensors(optimizer.state.get(key, {})) for key, _, _ in members}
    names_of = parameter_names([(key, name, moments_of[key]) for key, _, name in members], named, content)
    present = sum(1 for slots in moments_of.values() if slots)
    order = {one.name: place for place, one in enumerate(named, start=1)}
    for number, (key, rate, _) in enumerate(members):
        name = names_of.get(key, f"parameter {number}")
        position = order.get(name, number + 1)
        readings = []
        for slot, ref in moments_of[key].items():
            readings.append(statistics[ref].summarize("moment"))
            collector.add(SiteKind.STORED, f"{prefix}: {name} {slot}", readings[-1], position)
        step = updates_of(optimizer.state.get(key, {}), statistics)
        moment = moment_reading(readings, others=present - bool(readings), steps=step, rate=rate)
        collector.add(SiteKind.MOMENT, f"{prefix}: {name}", moment, position)


def moment_tensors(slots: dict[str, Any]) -> dict[str, TensorRef]:
    """Return the moments of a parameter: its tensors without the counter of updates."""
    return {str(k): v for k, v in slots.items() if isinstance(v, TensorRef) and k not in ("step", "eta", "mu")}


def counted_updates(content: Content, statistics: Scanned) -> int:
    """Return how many updates the optimizers counted; 0 if they did not."""
    counts = (updates_of(slots, statistics) for optimizer in content.optimizers for slots in optimizer.state.values())
    return int(max((count for count in counts if count is not None and math.isfinite(count)), default=0))


def updates_of(slots: dict[str, Any], statistics: Scanned) -> float | None:
    """Return how many updates the optimizer counted for one parameter."""
    step = slots.get("step")
    if isinstance(step, TensorRef):
        return statistics[step].state.maximum if statistics[step].state.elements == 1 else None
    return float(step) if isinstance(step, int | float) else None


def parameter_names(
    members: list[tuple[Any, str | None, dict[str, TensorRef]]], named: tuple[TensorName, ...], content: Content
) -> dict[Any, str]:
    """Return the names of an optimizer's parameters: as it states them, or by their order if all shapes match."""
    if all(name is not None for _, name, _ in members):
        return {key: name for key, name, _ in members if name is not None}
    trained = [n.name for n in named if n.leaf not in ("running_mean", "running_var", "num_batches_tracked")]
    plain = [n.name for n in named if n.role != "neuron" and n.name in trained]
    plain = [name for name in plain if name.rpartition(".")[2] not in ("graded_spikes_factor", "reset_mechanism_val")]
    for names in (plain, trained):
        fits = len(names) == len(members) and all(
            not slots or content.tensors[name].shape in {ref.shape for ref in slots.values()}
            for name, (_, _, slots) in zip(names, members, strict=True)
        )
        if fits:
            return {key: name for name, (key, _, _) in zip(names, members, strict=True)}
    return {}


def tensors_to_scan(content: Content) -> dict[TensorRef, bool]:
    """Return every tensor to scan, and whether its rows matter, which those of moments do not."""
    refs = dict.fromkeys(content.tensors.values(), True)
    for optimizer in content.optimizers:
        for slots in optimizer.state.values():
            for value in slots.values():
                if isinstance(value, TensorRef):
                    refs.setdefault(value, False)
    return refs
