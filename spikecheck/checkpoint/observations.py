"""Turn the statistics of a file's tensors into what the checks judge by: sites, and readings in plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from spikecheck.checkpoint.content import MAX_COUNTER, Content, Optimizer, moment_tensors
from spikecheck.checkpoint.names import Layer, TensorName, layers, name_tensors
from spikecheck.checkpoint.values import TensorRef
from spikecheck.checks.base import Observations
from spikecheck.outside_text import UniqueNames, safe
from spikecheck.readings import RunReading
from spikecheck.site import Site, SiteKind
from spikecheck.stats.stored import StoredStats
from spikecheck.stats.stored_neurons import moment_reading, neuron_reading, with_reach
from spikecheck.stored import GlobalReading, StoredNeuronReading

MAX_GLOBALS = 20  # that get a finding of their own
Scanned = Mapping[TensorRef, StoredStats]


@dataclass
class Collector:
    """Collect sites and their readings."""

    sites: list[Site] = field(default_factory=list)
    names: UniqueNames = field(default_factory=UniqueNames)  # of what is no tensor of the model
    readings: dict[str, dict[type[Any], Any]] = field(default_factory=dict)

    def add(self, kind: SiteKind, name: str, reading: object, position: int) -> None:
        """Add a reading at a site."""
        self.sites.append(Site(kind, name, position))
        self.readings.setdefault(name, {})[type(reading)] = reading


def observe(content: Content, statistics: Scanned, executable: Mapping[str, bool]) -> Observations:
    """Return what the checks judge by."""
    floating = {name: ref.dtype.startswith(("float", "bfloat", "complex")) for name, ref in content.tensors.items()}
    named = name_tensors({name: ref.shape for name, ref in content.tensors.items()}, floating)
    collector = Collector()
    for one in named:
        collector.names.add(one.name)
    for position, one in enumerate(named, start=1):
        ref = content.tensors[one.name]
        collector.add(SiteKind.STORED, one.name, statistics[ref].summarize(one.role), position)
    place = {site.name: site.position for site in collector.sites}
    owned: dict[str, list[TensorRef]] = {}
    for one in named:
        owned.setdefault(one.owner, []).append(content.tensors[one.name])
    for layer in layers(named):
        feeding = [ref for feeder in layer.feeders or () for ref in owned.get(feeder, ())]
        for parameter in layer.parameters:
            reading = neuron(parameter, layer, feeding, content, statistics)
            if reading is not None:
                collector.add(SiteKind.STORED_NEURON, parameter.name, reading, place[parameter.name])
    for number, optimizer in enumerate(content.optimizers):
        prefix = "optimizer" if len(content.optimizers) == 1 else f"optimizer {number}"
        moments(prefix, optimizer, named, content, statistics, collector)
    for name, called in shown(executable).items():
        collector.add(SiteKind.GLOBAL, collector.names.add(name), GlobalReading(called), 0)
    updates = counted_updates(content, statistics) or max(content.counters.values(), default=0)
    run = RunReading(live=False, update=updates, forward_passes=0, backward_passes=0, called_per_time_step=False)
    return Observations(
        run, tuple(collector.sites), {"recent": collector.readings, "all": collector.readings, "first": {}}
    )


def shown(executable: Mapping[str, bool]) -> dict[str, bool]:
    """Return the first globals, those that would be called before others; the rest under one name."""
    every = sorted(executable.items(), key=lambda item: not item[1])
    first, rest = every[:MAX_GLOBALS], every[MAX_GLOBALS:]
    return dict(first) | ({f"{len(rest):,} other globals": any(called for _, called in rest)} if rest else {})


def neuron(
    one: TensorName, layer: Layer, feeding: list[TensorRef], content: Content, statistics: Scanned
) -> StoredNeuronReading | None:
    """Return the reading of a neuron's parameter; None if it is not finite, or too large for a parameter."""
    stats = statistics[content.tensors[one.name]]
    if stats.vector is None or stats.state.nan or stats.state.infinite:
        return None
    reading = neuron_reading(one.means, stats.vector, layer.owner, outer=layer.first, last=layer.last)
    if one.means != "threshold":
        return reading
    drives = largest_drives(feeding, statistics)
    others = [(other, statistics[content.tensors[other.name]].vector) for other in layer.parameters if other != one]
    decays = [values for other, values in others if other.means == "decay" and values is not None]
    if drives is None or not decays or len(decays) < len(others):  # how long the potential adds up is not known
        return reading
    return with_reach(reading, stats.vector, drives, decays)


def largest_drives(feeding: list[TensorRef], statistics: Scanned) -> list[torch.Tensor] | None:
    """Return what each weight and bias before a layer adds at most per time step, [neuron]; None if not known."""
    drives = []
    for ref in feeding:
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
    members = optimizer.members
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
            site = collector.names.add(f"{prefix}: {name} {safe(slot)}")
            collector.add(SiteKind.STORED, site, readings[-1], position)
        step = updates_of(optimizer.state.get(key, {}), statistics)
        moment = moment_reading(readings, others=present - bool(readings), steps=step, rate=rate)
        collector.add(SiteKind.MOMENT, collector.names.add(f"{prefix}: {name}"), moment, position)
    for name, ref in optimizer.others.items():
        reading = statistics[ref].summarize("moment")
        if not reading.finite:
            collector.add(SiteKind.STORED, collector.names.add(f"{prefix}: {name}"), reading, 0)


def counted_updates(content: Content, statistics: Scanned) -> int:
    """Return how many updates the optimizers counted; 0 if they did not."""
    counts = (updates_of(slots, statistics) for optimizer in content.optimizers for slots in optimizer.state.values())
    return int(max((count for count in counts if count is not None and math.isfinite(count)), default=0))


def updates_of(slots: dict[str, Any], statistics: Scanned) -> float | None:
    """Return how many updates the optimizer counted for one parameter."""
    step = slots.get("step")
    if isinstance(step, TensorRef):
        return statistics[step].state.maximum if statistics[step].state.elements == 1 else None
    return float(step) if isinstance(step, int | float) and abs(step) < MAX_COUNTER else None


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
        for value in optimizer.others.values():
            refs.setdefault(value, False)
    return refs
