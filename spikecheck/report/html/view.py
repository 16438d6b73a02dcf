"""What a page shows of one report: the verdict, the causes as trees, the pictures, and what there is no picture of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from markupsafe import Markup

from spikecheck.diagnosis import Cause
from spikecheck.diagnosis.rank import explaining
from spikecheck.excerpts import RasterReading
from spikecheck.finding import Finding, Severity
from spikecheck.report.format import by_check, counted, other_sites
from spikecheck.report.html import plots
from spikecheck.site import SiteKind
from spikecheck.stored import ChangeReading

if TYPE_CHECKING:
    from spikecheck.report.model import LayerRow, LossRow, Report

PLATEAUS = ("chance-plateau", "stalled-loss")  # the findings that say that the last losses do not fall
DRAWN_LAYERS = 16  # a page of more can be neither loaded nor read; those with findings come first
DRAWN_WEIGHTS = 40


@dataclass
class Entry:
    """One report of a page, or the reason why there is none. `key` sets its ids apart from those of the others."""

    name: str
    report: Report | None
    error: str
    key: str
    changes: Sequence[ChangeReading] | None = None  # since another file, where one was given

    @property
    def moved(self) -> list[ChangeReading]:
        """What is not the same as in the other file."""
        return [change for change in self.changes or () if not change.same]

    @property
    def shown(self) -> Shown | None:
        """All that stands below the verdict; None where there is no report."""
        return None if self.report is None else Shown(self.report, self.key)

    @property
    def headline(self) -> str:
        """What it is about."""
        return self.name if self.report is None else self.report.headline

    @property
    def kind(self) -> str:
        """What colour the verdict has: "error", "warning", "ok" or "none"."""
        if self.report is None:
            return "error"
        if not self.report.ok:
            return max(f.severity for f in self.report.findings).label
        return "ok" if judged(self.report) else "none"

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        if self.report is None:
            return "Not read"
        return self.report.conclusion[:1].upper() + self.report.conclusion[1:]


def judged(report: Report) -> bool:
    """Was there anything to judge?"""
    return bool(report.layers or report.subject)


@dataclass
class Node:
    """A check's findings in the tree of a cause; `also` are checks elsewhere in the tree that explain it as well."""

    findings: list[Finding]
    also: list[str] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    @property
    def first(self) -> Finding:
        """The one that the node shows."""
        return self.findings[0]

    @property
    def elsewhere(self) -> str:
        """Where the others are, which are the same at further sites."""
        return other_sites(self.findings)


def tree(cause: Cause) -> Node:
    """The consequences under what led to them: under the last of those that explain one, where there are several."""
    nodes = [Node([cause.finding]), *(Node(findings) for findings in by_check(cause.consequences))]
    parent: dict[int, int] = {}
    for place, node in enumerate(nodes[1:], start=1):
        able = [at for at in range(place) if any(explaining(f, nodes[at].findings) for f in node.findings)]
        parent[place] = able[-1] if able else 0
        above, at = {0}, place
        while at in parent:
            at = parent[at]
            above.add(at)
        node.also = [nodes[at].first.check for at in able if at not in above]
        nodes[parent[place]].children.append(node)
    return nodes[0]


@dataclass
class Picture:
    """One plot with its caption."""

    caption: str
    svg: Markup
    note: str = ""


@dataclass
class LayerPictures:
    """A layer's plots, and why one of them is missing."""

    row: LayerRow
    pictures: list[Picture]
    missing: list[str]


@dataclass
class Shown:
    """A report's evidence and its pictures."""

    report: Report
    key: str

    @cached_property
    def trees(self) -> list[Node]:
        """The causes with their consequences."""
        return [tree(cause) for cause in self.report.root_causes]

    @cached_property
    def places(self) -> dict[int, int]:
        """Which row of the evidence a finding has, by its identity: two may be equal."""
        return {id(finding): place for place, finding in enumerate(self.report.findings)}

    def anchor(self, finding: Finding) -> str:
        """Where the evidence of a finding stands."""
        return f"{self.key}-f{self.places[id(finding)]}"

    @property
    def severities(self) -> list[tuple[Severity, str]]:
        """How many findings of each severity, the gravest first."""
        counts = [(s, sum(f.severity is s for f in self.report.findings)) for s in sorted(Severity, reverse=True)]
        return [(severity, counted(number, severity.label)) for severity, number in counts if number]

    @cached_property
    def losses(self) -> list[Picture]:
        """Each loss over the updates."""
        stalled = {f.site.name for f in self.report.findings if f.slug in PLATEAUS and f.site.kind is SiteKind.LOSS}
        pictures = []
        for number, row in enumerate(self.report.losses):
            drawn = plots.loss(row, f"{self.key}-l{number}", plateau=row.name in stalled)
            if drawn is not None:
                pictures.append(Picture(f"{row.name} over the updates", drawn, omitted(row)))
        return pictures

    @cached_property
    def weights(self) -> Picture | None:
        """The weights against what initialisers give; None where none of them can be drawn."""
        rows = self.report.weights
        chosen = self.chosen([row.name for row in rows], DRAWN_WEIGHTS)
        drawn = plots.weights([rows[at] for at in chosen], f"{self.key}-w")
        if drawn is None:
            return None
        rings = any(row.initial is not None for row in rows)
        note = "dot: now; ring: before the first update. " if rings else ""
        note += "The band is what initialisers give, 0.58 (torch's default) to 1.41 (He)."
        more = f" {DRAWN_WEIGHTS} of {len(rows)}, those with findings first." if len(rows) > DRAWN_WEIGHTS else ""
        return Picture("Weights against initialisation", drawn, note + more)

    @cached_property
    def layers(self) -> list[LayerPictures]:
        """The layers that are drawn, in the order of the data flow."""
        rows = self.report.layers
        chosen = self.chosen([row.name for row in rows], DRAWN_LAYERS)
        return [layer(rows[at], f"{self.key}-y{at}") for at in chosen]

    def chosen(self, names: Sequence[str], most: int) -> list[int]:
        """Which of these places are drawn: those with findings before the others, each in its order."""
        found = {f.site.name for f in self.report.findings}
        return sorted(sorted(range(len(names)), key=lambda at: names[at] not in found)[:most])

    @property
    def missing(self) -> list[str]:
        """What there is no picture of, and why."""
        report, said = self.report, []
        if report.subject and not report.layers:
            said.append("Spikes, firing rates, membrane potentials and losses: a file does not hold them, a run does.")
        elif not report.layers:
            said.append("Spikes, firing rates and membrane potentials: no spiking layer was seen.")
        if not report.subject and not self.losses:
            said.append(f"Loss: {'none of its values is finite' if report.losses else 'none was seen'}.")
        if self.weights is None:
            why = "the file holds none" if report.subject else "they are looked at when an optimizer steps"
            why = "none of them is finite, or all are 0" if report.weights else why
            said.append(f"Weights against initialisation: {why}.")
        if len(report.layers) > DRAWN_LAYERS:
            said.append(
                f"{len(report.layers) - DRAWN_LAYERS} of {len(report.layers)} layers, to keep the page small: those "
                "without a finding, from the last on. The table has them all."
            )
        return said


def omitted(row: LossRow) -> str:
    """How many losses a curve cannot show, and which of them it shows."""
    trace = row.loss.trace
    bad = sum(not math.isfinite(value) for _, value in trace)
    said = [f"{bad} of {len(trace)} values are NaN or infinite, and not drawn."] if bad else []
    if row.loss.updates > len(trace):
        said.append(f"{len(trace)} of {row.loss.updates} updates.")
    return " ".join(said)


def when(update: int) -> str:
    """Which forward is shown."""
    return "before the first update" if update == 0 else f"after update {update}"


def layer(row: LayerRow, key: str) -> LayerPictures:
    """The plots of one layer, and why one is missing."""
    pictures, missing = list(rasters(row, key)), []
    if not pictures:
        missing.append("no raster: no step of it was looked at")
    if (drawn := plots.rates(row, f"{key}-r")) is not None:
        spikes = row.spikes
        note = f"{spikes.silent_neurons} of {spikes.neurons} neurons silent, {spikes.saturated_neurons} saturated"
        pictures.append(Picture("Firing rates", drawn, note))
    else:
        missing.append("no firing rates: none of them is a number")
    if (drawn := plots.potentials(row, f"{key}-p")) is not None and row.potentials is not None:
        threshold = "" if row.threshold is not None else "; its threshold is not known"
        pictures.append(Picture("Membrane potentials", drawn, when(row.potentials.update) + threshold))
    else:
        why = "the layer does not show them" if row.potentials is None else "none of them is finite"
        missing.append(f"no membrane potentials: {why}")
    return LayerPictures(row, pictures, missing)


def rasters(row: LayerRow, key: str) -> Iterator[Picture]:
    """The spikes of the first forward, and of a recent one where that is another."""
    readings = [reading for reading in (row.first, row.recent) if reading is not None]
    if len(readings) > 1 and readings[1].update <= readings[0].update:
        del readings[1]
    for number, reading in enumerate(readings):
        drawn = plots.raster(row, reading, f"{key}-s{number}")
        if drawn is not None:
            yield Picture("Spikes", drawn, excerpt(reading))


def excerpt(reading: RasterReading) -> str:
    """Of which forward a raster is, how much of it is shown, and what its colours say."""
    steps = max(map(len, reading.raster))
    part = f", {steps} of {reading.time_steps} steps" if reading.time_steps > steps else ""
    seen = {value for neuron in reading.raster for value in neuron}
    colours = {
        "red: several in a step": any(value > 1 for value in seen),
        "red: NaN": any(math.isnan(value) for value in seen),
        "violet: negative": any(value < 0 for value in seen),
    }
    said = [f"one sample, {when(reading.update)}{part}", *(colour for colour, there in colours.items() if there)]
    return "; ".join(said)
