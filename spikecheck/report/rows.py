"""What a run's readings say of layers, losses and weights, as the rows that tables and pictures show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from spikecheck.excerpts import PotentialSampleReading, RasterReading
from spikecheck.readings import DriveReading, FlowReading, LossReading, ParameterReading, SpikeReading
from spikecheck.report.model import LayerRow, LossRow, WeightRow
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading

R = TypeVar("R")


class Read(Protocol):
    """What was read at one place."""

    def get(self, kind: type[R]) -> R | None:
        """The reading of this kind, None where nothing was read."""


Readings = Callable[[Site, str], Read]  # of a site in a window: "first", "recent" or "all"


def of_kind(sites: Iterable[Site], kind: SiteKind) -> list[Site]:
    """The sites of a kind, in the order of the data flow."""
    return sorted((site for site in sites if site.kind is kind), key=lambda site: site.position)


def layer_rows(sites: Iterable[Site], readings: Readings) -> tuple[LayerRow, ...]:
    """A row a spiking layer; its excerpts are of the first forward and of a recent one."""
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
                potentials=recent.get(PotentialSampleReading),
            )
        )
    return tuple(rows)


def loss_rows(sites: Iterable[Site], readings: Readings) -> tuple[LossRow, ...]:
    """A row a loss function that was seen."""
    found = ((site, readings(site, "all").get(LossReading)) for site in of_kind(sites, SiteKind.LOSS))
    return tuple(LossRow(site.name, loss) for site, loss in found if loss is not None)


def weight_rows(sites: Iterable[Site], readings: Readings) -> tuple[WeightRow, ...]:
    """A row a weight of the model, or of the file: what has several axes, and is no optimizer's moment."""
    rows = []
    for site in of_kind(sites, SiteKind.PARAMETER):
        now, before = (readings(site, window).get(ParameterReading) for window in ("all", "first"))
        if now is not None and now.dimensions > 1:
            rows.append(WeightRow(site.name, now.elements, now.scale, None if before is None else before.scale))
    for site in of_kind(sites, SiteKind.STORED):
        stored = readings(site, "all").get(StoredReading)
        if stored is not None and stored.dimensions > 1 and stored.role == "weight" and stored.measured:
            rows.append(WeightRow(site.name, stored.elements, stored.scale))
    return tuple(rows)
