"""The readings of a run as the rows of layers, losses and weights that tables and pictures show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from spikecheck.excerpts import PotentialSampleReading, RasterReading
from spikecheck.neuron import is_of_neurons
from spikecheck.readings import DriveReading, FlowReading, LossReading, ParameterReading, SpikeReading
from spikecheck.report.model import LayerRow, LossRow, OptimizerRow, WeightRow
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading
from spikecheck.timelines import LossTimelineReading, OptimizerTimelineReading, SpikeTimelineReading

R = TypeVar("R")


class Read(Protocol):
    """The readings of one place."""

    def get(self, kind: type[R]) -> R | None:
        """Return the reading of this kind, or None."""


Readings = Callable[[Site, str], Read]  # of a site in a window: "first", "recent" or "all"


def of_kind(sites: Iterable[Site], kind: SiteKind) -> list[Site]:
    """Return the sites of a kind in the order of the data flow."""
    return sorted((site for site in sites if site.kind is kind), key=lambda site: site.position)


def layer_rows(sites: Iterable[Site], readings: Readings) -> tuple[LayerRow, ...]:
    """Return a row per spiking layer, with excerpts of the first forward pass and of a recent one."""
    rows = []
    for site in of_kind(sites, SiteKind.SPIKES):
        read, first, recent = (readings(site, window) for window in ("all", "first", "recent"))
        spikes = read.get(SpikeReading)
        if spikes is None:
            continue
        rows.append(
            LayerRow(
                site.name,
                spikes,
                read.get(DriveReading),
                read.get(FlowReading),
                site.neuron.v_threshold if site.neuron else None,
                first=first.get(RasterReading),
                recent=recent.get(RasterReading),
                first_potentials=first.get(PotentialSampleReading),
                potentials=recent.get(PotentialSampleReading),
                now=recent.get(SpikeReading),
                timeline=read.get(SpikeTimelineReading),
                label=str(site),
            )
        )
    return tuple(rows)


def loss_rows(sites: Iterable[Site], readings: Readings) -> tuple[LossRow, ...]:
    """Return a row per loss that was observed."""
    read = ((site.name, readings(site, "all")) for site in of_kind(sites, SiteKind.LOSS))
    losses = ((name, here.get(LossReading), here.get(LossTimelineReading)) for name, here in read)
    return tuple(LossRow(name, loss, timeline) for name, loss, timeline in losses if loss is not None)


def optimizer_rows(sites: Iterable[Site], readings: Readings) -> tuple[OptimizerRow, ...]:
    """Return a row per optimizer that stepped."""
    read = (
        (site.name, readings(site, "all").get(OptimizerTimelineReading)) for site in of_kind(sites, SiteKind.OPTIMIZER)
    )
    return tuple(OptimizerRow(name, timeline) for name, timeline in read if timeline is not None)


def weight_rows(sites: Iterable[Site], readings: Readings) -> tuple[WeightRow, ...]:
    """Return a row per weight of the model or the file: parameters with several axes that are no time constants."""
    rows = []
    weights = [site for site in sites if not is_of_neurons(site.name)]  # Rockpool: one per neuron and synapse
    for site in of_kind(weights, SiteKind.PARAMETER):
        now, before = (readings(site, window).get(ParameterReading) for window in ("all", "first"))
        if now is not None and now.dimensions > 1:
            rows.append(WeightRow(site.name, now.elements, now.scale, None if before is None else before.scale))
    for site in of_kind(weights, SiteKind.STORED):
        stored = readings(site, "all").get(StoredReading)
        if stored is not None and stored.dimensions > 1 and stored.role == "weight" and stored.measured:
            rows.append(WeightRow(site.name, stored.elements, stored.scale))
    return tuple(rows)
