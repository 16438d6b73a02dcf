"""The parts of a page for one report: conclusion, trees of causes, pictures, and why a picture is missing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from markupsafe import Markup

from spikecheck.diagnosis import Cause, may_have_caused
from spikecheck.diagnosis.rank import explaining
from spikecheck.excerpts import RasterReading
from spikecheck.finding import Finding, Severity
from spikecheck.report.format import by_check, counted, other_sites
from spikecheck.report.html import plots
from spikecheck.report.html.curves import Curve, draw
from spikecheck.report.html.marks import Mark, marks_of
from spikecheck.report.state import ReportState
from spikecheck.site import SiteKind
from spikecheck.stored import ChangeReading

if TYPE_CHECKING:
    from spikecheck.report.model import LayerRow, LossRow, OptimizerRow, Report

PLATEAUS = ("chance-plateau", "stalled-loss")  # findings by which the recent losses do not fall
DRAWN_LAYERS = 16  # a page with more is too large to load and to read; layers with findings come first
DRAWN_WEIGHTS = 40


@dataclass
class Entry:
    """One report of a page, or the reason why there is none. `key` makes its HTML ids unique on the page."""

    name: str
    report: Report | None
    error: str
    key: str
    changes: Sequence[ChangeReading] | None = None  # relative to another file, if one is compared

    @property
    def changed(self) -> list[ChangeReading]:
        """The tensors that differ from the other file."""
        return [change for change in self.changes or () if not change.same]

    @property
    def shown(self) -> Shown | None:
        """Everything below the conclusion; None without a report."""
        return None if self.report is None else Shown(self.report, self.key)

    @property
    def headline(self) -> str:
        """The run or the file in one line."""
        return self.name if self.report is None else self.report.headline

    @property
    def kind(self) -> str:
        """The color of the conclusion: "error", "warning" (also where too little was observed) or "ok"."""
        if self.report is None:
            return "error"
        if self.report.state is ReportState.PROBLEMS:
            return max(f.severity for f in self.report.findings).label
        return "ok" if self.report.ok else "warning"

    @property
    def sentence(self) -> str:
        """What the page says first: what is wrong, with its number, or the conclusion."""
        causes = () if self.report is None else self.report.root_causes
        return causes[0].finding.message if causes else self.verdict

    @property
    def first_fix(self) -> tuple[str, str]:
        """What repairs the first root cause: a label and code; a treatment that was proved comes before a proposal."""
        report = self.report
        if report is None or not report.root_causes:
            return "", ""
        if report.healing is not None and report.healing.cure is not None:
            return "Fix, proved on a copy of the network", report.healing.cure.patch
        return "Fix", report.root_causes[0].finding.fix

    @property
    def verdict(self) -> str:
        """The conclusion in a few words."""
        if self.report is None:
            return "Could not be read"
        return self.report.conclusion[:1].upper() + self.report.conclusion[1:]


@dataclass
class Node:
    """One check's findings in the tree of a cause. `also` lists checks elsewhere in the tree that explain them too."""

    findings: list[Finding]
    also: list[str] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    @property
    def first(self) -> Finding:
        """The finding that the node shows."""
        return self.findings[0]

    @property
    def elsewhere(self) -> str:
        """The sites of the other findings."""
        return other_sites(self.findings)


def tree(cause: Cause) -> Node:
    """Return the consequences below the findings that explain them; of several explanations, below the last one."""
    nodes = [Node([cause.finding]), *(Node(findings) for findings in by_check(cause.consequences))]
    parent: dict[int, int] = {}
    for place, node in enumerate(nodes[1:], start=1):
        parents = [at for at in range(place) if any(explaining(f, nodes[at].findings) for f in node.findings)]
        parent[place] = parents[-1] if parents else 0
        above, at = {0}, place
        while at in parent:
            at = parent[at]
            above.add(at)
        node.also = [nodes[at].first.check for at in parents if at not in above]
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
    """The plots of a layer, and why others are missing."""

    row: LayerRow
    pictures: list[Picture]
    missing: list[str]


@dataclass
class Shown:
    """The evidence and the pictures of one report."""

    report: Report
    key: str

    @cached_property
    def trees(self) -> list[Node]:
        """The root causes with their consequences."""
        return [tree(cause) for cause in self.report.root_causes]

    @cached_property
    def places(self) -> dict[int, int]:
        """The row of each finding in the evidence table, by identity: two findings may be equal."""
        return {id(finding): place for place, finding in enumerate(self.report.findings)}

    def anchor(self, finding: Finding) -> str:
        """Return the HTML id of a finding's row in the evidence table."""
        return f"{self.key}-f{self.places[id(finding)]}"

    @property
    def meanings(self) -> dict[str, str]:
        """What findings mean, by the id of their check; those of other packages may not say it."""
        return {
            verdict.check: verdict.meaning for verdict in self.report.verdicts if verdict.findings and verdict.meaning
        }

    def suspicions(self, past: Finding) -> list[list[Finding]]:
        """Return what a finding that holds no longer may have caused, by check."""
        return by_check(may_have_caused(past, self.report.findings))

    @property
    def severities(self) -> list[tuple[Severity, str]]:
        """The number of findings of each severity, the most severe first."""
        counts = [(s, sum(f.severity is s for f in self.report.findings)) for s in sorted(Severity, reverse=True)]
        return [(severity, counted(number, severity.label)) for severity, number in counts if number]

    @cached_property
    def losses(self) -> list[Picture]:
        """One picture per loss."""
        stalled = {f.site.name for f in self.report.findings if f.slug in PLATEAUS and f.site.kind is SiteKind.LOSS}
        pictures = []
        for number, row in enumerate(self.report.losses):
            key, marks = f"{self.key}-l{number}", self.marks(row.name)
            drawn = plots.loss(row, key, plateau=row.name in stalled, marks=marks)
            if drawn is not None:
                pictures.append(Picture(f"{row.name} per update", drawn, omitted(row)))
        return pictures

    @cached_property
    def optimizers(self) -> list[Picture]:
        """The gradients, the updates and the learning rate of each optimizer."""
        marks = self.marks(*(row.name for row in self.report.optimizers))
        curves = [curve for row in self.report.optimizers for curve in optimizer_curves(row, marks)]
        drawn = ((curve.title, draw(curve, f"{self.key}-o{number}")) for number, curve in enumerate(curves))
        return [Picture(title, picture) for title, picture in drawn if picture is not None]

    @cached_property
    def weights(self) -> Picture | None:
        """The size of the weights relative to standard initialization; None if no weight can be drawn."""
        rows = self.report.weights
        chosen = self.chosen([row.name for row in rows], DRAWN_WEIGHTS)
        drawn = plots.weights([rows[at] for at in chosen], f"{self.key}-w")
        if drawn is None:
            return None
        rings = any(row.initial is not None for row in rows)
        note = "Dot: now. Ring: before the first update. " if rings else ""
        note += "Band: standard initialization, from 0.58 (PyTorch's default) to 1.41 (He)."
        more = (
            f" {DRAWN_WEIGHTS} of {len(rows):,} weights, those with findings first."
            if len(rows) > DRAWN_WEIGHTS
            else ""
        )
        return Picture("Size of the weights", drawn, note + more)

    @cached_property
    def layers(self) -> list[LayerPictures]:
        """The layers that are drawn, in the order of the data flow."""
        rows = self.report.layers
        chosen = self.chosen([row.name for row in rows], DRAWN_LAYERS)
        return [layer(rows[at], f"{self.key}-y{at}", self.marks(rows[at].name)) for at in chosen]

    def marks(self, *names: str) -> tuple[Mark, ...]:
        """Return the marks for a curve: the root causes, and what was found at the places of these names."""
        report = self.report
        there = (f for f in (*report.findings, *report.history) if f.site.name in names)
        return marks_of((*(cause.finding for cause in report.root_causes), *there))

    def chosen(self, names: Sequence[str], most: int) -> list[int]:
        """Return the indices of the names to draw: those with findings before the others, in their order."""
        sites = {finding.site.name for finding in self.report.findings}
        return sorted(sorted(range(len(names)), key=lambda at: names[at] not in sites)[:most])

    @property
    def missing(self) -> list[str]:
        """What is not shown, and why."""
        report, lines = self.report, []
        if report.subject and not report.layers:
            lines.append(
                "Spikes, firing rates, membrane potentials and losses: not stored in a checkpoint without evidence."
            )
        elif not report.layers:
            lines.append("Spikes, firing rates and membrane potentials: no spiking layer was observed.")
        if not report.subject and not self.losses:
            lines.append(f"Loss: {'no value is finite' if report.losses else 'no loss was observed'}.")
        if self.weights is None:
            why = "the file contains none" if report.subject else "no optimizer update was observed"
            why = "none is finite and nonzero" if report.weights else why
            lines.append(f"Size of the weights: {why}.")
        if len(report.layers) > DRAWN_LAYERS:
            lines.append(
                f"{len(report.layers) - DRAWN_LAYERS} of {len(report.layers)} layers, to keep the page small. "
                "Layers with findings are shown first; the table lists all layers."
            )
        return lines


def omitted(row: LossRow) -> str:
    """Return which losses a curve does not show; "" if it shows all."""
    trace = row.loss.trace
    bad = sum(not math.isfinite(value) for _, value in trace)
    notes = [f"{bad} of {len(trace)} values are NaN or infinite and not drawn."] if bad else []
    if row.loss.updates > len(trace):
        notes.append(f"{len(trace)} of {row.loss.updates:,} updates.")
    return " ".join(notes)


def optimizer_curves(row: OptimizerRow, marks: tuple[Mark, ...]) -> list[Curve]:
    """Return what is drawn of an optimizer; a learning rate that never changes is none."""
    points = row.timeline.points
    curves = [
        Curve(f"Gradient norm, {row.name}", "norm", points, [point.mean for point in points], marks=marks),
        Curve(f"Size of an update, {row.name}", "of the weights", points, [p.update_size for p in points], marks=marks),
        Curve(f"Learning rate, {row.name}", "learning rate", points, [p.learning_rate for p in points], marks=marks),
    ]
    return curves if len(set(curves[-1].values)) > 1 else curves[:-1]


def rate_curve(row: LayerRow, key: str, marks: tuple[Mark, ...]) -> Markup | None:
    """Return the firing rate over the updates."""
    points = () if row.timeline is None else row.timeline.points
    rates = [point.mean for point in points]
    curve = Curve(f"Firing rate of {row.name}", "spikes per step", points, rates, may_be_logarithmic=False, marks=marks)
    return draw(curve, key)


def silence(row: LayerRow) -> str:
    """Return when a layer fired last; "" for one that fires, or never did."""
    since = None if row.timeline is None else row.timeline.silent_since
    return f"silent since between updates {since[0]:,} and {since[1]:,}" if since and since != (0, 0) else ""


def when(update: int) -> str:
    """Return when a forward pass took place."""
    return "before the first update" if update == 0 else f"after update {update:,}"


def layer(row: LayerRow, key: str, marks: tuple[Mark, ...] = ()) -> LayerPictures:
    """Return the plots of one layer, and why others are missing."""
    pictures, missing = list(rasters(row, key)), []
    if not pictures:
        missing.append("No spike raster: no time step was sampled.")
    if (drawn := plots.rates(row, f"{key}-r")) is not None:
        spikes = row.spikes
        of_all = f"of {counted(spikes.neurons, 'neuron')}"
        counts = (spikes.silent_neurons, spikes.saturated_neurons)
        silent, saturated = (f"{count:,}" if count else "none" for count in counts)
        note = f"over the whole run: {silent} {of_all} silent, {saturated} saturated"
        pictures.append(Picture("Firing rates", drawn, note))
    else:
        missing.append("No firing rates: no rate is finite.")
    if (drawn := rate_curve(row, f"{key}-t", marks)) is not None:
        pictures.append(Picture("Firing rate over the run", drawn, silence(row)))
    if (drawn := plots.potentials(row, f"{key}-p")) is not None and row.potentials is not None:
        earlier = plots.earlier_potentials(row)
        note = when(row.potentials.update) + ("" if earlier is None else f"; outline: {when(earlier.update)}")
        note += "" if row.threshold is not None else "; the threshold is unknown"
        pictures.append(Picture("Membrane potentials", drawn, note))
    else:
        why = "the layer does not expose them" if row.potentials is None else "no value is finite"
        missing.append(f"No membrane potentials: {why}.")
    return LayerPictures(row, pictures, missing)


def rasters(row: LayerRow, key: str) -> Iterator[Picture]:
    """Yield the spikes of the first forward pass, and of a recent one if that is a different one."""
    readings = [reading for reading in (row.first, row.recent) if reading is not None]
    if len(readings) > 1 and readings[1].update <= readings[0].update:
        del readings[1]
    for number, reading in enumerate(readings):
        drawn = plots.raster(row, reading, f"{key}-s{number}")
        if drawn is not None:
            yield Picture("Spikes", drawn, excerpt(reading))


def excerpt(reading: RasterReading) -> str:
    """Return which forward pass a raster shows, which part of it, and what its colors mean."""
    steps = max(map(len, reading.raster))
    part = f", {steps} of {reading.time_steps:,} time steps" if reading.time_steps > steps else ""
    values = {value for neuron in reading.raster for value in neuron}
    colors = {
        "red: several spikes per step": any(value > 1 for value in values),
        "red: NaN": any(math.isnan(value) for value in values),
        "violet: negative": any(value < 0 for value in values),
    }
    notes = [f"one sample, {when(reading.update)}{part}", *(text for text, applies in colors.items() if applies)]
    return "; ".join(notes)
