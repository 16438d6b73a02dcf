"""A report: the results of one run in plain values. Every view is made from a report and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

from spikecheck.diagnosis import Cause, Diagnosis, diagnose, may_have_caused
from spikecheck.excerpts import PotentialSampleReading, RasterReading
from spikecheck.finding import Finding, Outcome, Severity, Unseen, UnseenKind, Verdict
from spikecheck.readings import DriveReading, FlowReading, LossReading, SpikeReading
from spikecheck.report.as_dict import finding_dict, layer_dict, loss_dict, optimizer_dict, plain
from spikecheck.report.examined import ExperimentRow, experiment_dict
from spikecheck.report.format import counted
from spikecheck.report.merging import first_by_name, merged_verdict
from spikecheck.report.ranks import RankRow, rank_dict
from spikecheck.report.state import NEEDED, UNLEARNED, ReportState
from spikecheck.report.treated import Healing, healing_dict
from spikecheck.report.undetermined import unseen_cause
from spikecheck.timelines import LossTimelineReading, OptimizerTimelineReading, SpikeTimelineReading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spikecheck.report.comparison import Comparison

SCHEMA = 1
UNDETERMINED = "little is learned, and no check shows why"
#: What is said of a run without a warning in place of "healthy".
RESERVATIONS = (UnseenKind.MOST_OF_LEARNING, UnseenKind.REST_OF_LEARNING, UnseenKind.TOO_EARLY)


@dataclass(frozen=True, slots=True)
class LayerRow:
    """The activity of one spiking layer: `spikes` over the whole run, `now` in the recent forward passes."""

    name: str
    spikes: SpikeReading
    drive: DriveReading | None = None
    flow: FlowReading | None = None
    threshold: float | None = None
    first: RasterReading | None = None  # of the first forward pass
    recent: RasterReading | None = None  # of the latest one that was measured in full
    first_potentials: PotentialSampleReading | None = None  # of the first forward pass
    potentials: PotentialSampleReading | None = None  # of the latest one that was measured in full
    now: SpikeReading | None = None
    timeline: SpikeTimelineReading | None = None
    label: str = ""  # the name as a user reads it, `net.1 (LIFNode)`, where that is another

    @property
    def title(self) -> str:
        """The layer as a user reads it."""
        return self.label or self.name

    @property
    def latest(self) -> SpikeReading:
        """The spikes of the recent forward passes; of the whole run where these are not known."""
        return self.spikes if self.now is None else self.now

    @property
    def rate_now(self) -> float | None:
        """The firing rate in the latest updates, of every forward pass, not only of those that are measured in full."""
        last = None if self.timeline is None else self.timeline.now
        return self.latest.rate if last is None else last.mean

    @property
    def silent_now(self) -> int:
        """Neurons that did not fire in the recent forward passes: all of them where the latest updates have none."""
        return self.latest.neurons if self.rate_now == 0 else self.latest.silent_neurons

    @property
    def saturated_now(self) -> int:
        """Neurons that fired in nearly every time step of the recent forward passes."""
        return 0 if self.rate_now == 0 else self.latest.saturated_neurons

    @property
    def neurons_known(self) -> bool:
        """Whether the neurons can be counted: not where the time axis is in doubt, which would be counted as some."""
        return self.timeline is None or self.timeline.time_steps is None or self.timeline.time_steps.known


@dataclass(frozen=True, slots=True)
class LossRow:
    """The course of one loss."""

    name: str
    loss: LossReading
    timeline: LossTimelineReading | None = None


@dataclass(frozen=True, slots=True)
class OptimizerRow:
    """The course of one optimizer's gradients and updates."""

    name: str
    timeline: OptimizerTimelineReading


@dataclass(frozen=True, slots=True)
class WeightRow:
    """The size of a weight: its root mean square times sqrt(fan-in), as in `ParameterReading.scale`.

    `initial` is the size before the first update, None if it is unknown, as in a file.
    """

    name: str
    elements: int
    scale: float
    initial: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What a monitor observed, and what is wrong with it.

    `findings` are active at the end of what was observed, `history` lists those that were active earlier. `verdicts`
    has one entry per check. `diagnosis` orders the findings into root causes and consequences. `unseen` is what was not
    observed, each with what would show it. `cost` is what spikecheck added to the run's time after the first forward
    passes, `start_cost` what it added to those, which are measured in full; None for a run that is too short to tell.
    """

    verdicts: tuple[Verdict, ...]
    diagnosis: Diagnosis
    layers: tuple[LayerRow, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    frameworks: tuple[str, ...] = ()
    updates: int = 0
    forward_passes: int = 0
    cost: float | None = None
    subject: str = ""  # of a file: the headline; empty for a run
    losses: tuple[LossRow, ...] = ()
    weights: tuple[WeightRow, ...] = ()
    optimizers: tuple[OptimizerRow, ...] = ()
    observed_updates: int = 0  # of `updates`, those that a monitor observed; of a file without evidence, none
    start_cost: float | None = None
    experiments: tuple[ExperimentRow, ...] = ()  # of an examination
    healing: Healing | None = None  # the same: what treatments of copies came to
    since: int = 0  # the first update that the report is about
    ranks: tuple[RankRow, ...] = ()  # of a run of several processes
    model: str = ""  # the class of the model that was watched

    @classmethod
    def of(cls, verdicts: Iterable[Verdict], *, unseen: Iterable[Unseen] = (), **facts: Any) -> Report:
        """Return the report on these `verdicts`, diagnosed, with what is `unseen`; `facts` are the other fields."""
        every = tuple(verdicts)
        diagnosis = diagnose(f for v in every for f in v.findings)
        known = (one for one in unseen if one.kind is not UnseenKind.CAUSE)  # of merged reports, another may show it
        failed = (Unseen(UnseenKind.EXTENSION, v.reason) for v in every if v.failed)
        missing = tuple(dict.fromkeys((*known, *failed)))
        cause = () if facts.get("experiments") else unseen_cause(diagnosis, every, missing)
        return cls(every, diagnosis, unseen=(*cause, *missing), **facts)

    @classmethod
    def merge(cls, *reports: Report) -> Report:
        """Return one report on what several `reports` say of the same training: a file and its run, or several ranks.

        A check is listed once, with every finding that any report has of it; of two findings of a check at one site,
        and of two rows of one name, the first report's is kept. The counts of updates and forward passes and the cost
        are the largest of all reports, since all describe the same training. The result is diagnosed again, so that a
        finding of one report can explain a finding of another. Without any report, the result is an empty report.
        """
        verdicts: dict[str, Verdict] = {}
        for verdict in (v for report in reports for v in report.verdicts):
            known = verdicts.get(verdict.check)
            verdicts[verdict.check] = verdict if known is None else merged_verdict(known, verdict)
        costs = [report.cost for report in reports if report.cost is not None]
        start_costs = [report.start_cost for report in reports if report.start_cost is not None]
        return cls.of(
            [verdicts[check] for check in sorted(verdicts)],
            layers=first_by_name(report.layers for report in reports),
            unseen=tuple(dict.fromkeys(unseen for report in reports for unseen in report.unseen)),
            frameworks=tuple(dict.fromkeys(name for report in reports for name in report.frameworks)),
            updates=max((report.updates for report in reports), default=0),
            forward_passes=max((report.forward_passes for report in reports), default=0),
            cost=max(costs, default=None),
            start_cost=max(start_costs, default=None),
            subject=next((report.subject for report in reports if report.subject), ""),
            observed_updates=max((report.observed_updates for report in reports), default=0),
            losses=first_by_name(report.losses for report in reports),
            weights=first_by_name(report.weights for report in reports),
            optimizers=first_by_name(report.optimizers for report in reports),
            experiments=tuple(row for report in reports for row in report.experiments),
            healing=next((report.healing for report in reports if report.healing is not None), None),
            ranks=next((report.ranks for report in reports if report.ranks), ()),
        )

    def with_unseen(self, *more: Unseen) -> Report:
        """Return the report with `more` lines on what was not observed."""
        return replace(self, unseen=tuple(dict.fromkeys((*self.unseen, *more))))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The active findings: each root cause, followed by its consequences, then the notes."""
        causes = [f for cause in self.diagnosis.causes for f in (cause.finding, *cause.consequences)]
        return (*causes, *self.diagnosis.notes)

    @property
    def history(self) -> tuple[Finding, ...]:
        """Findings that are over, in the past tense, in the order in which they began."""
        past = (finding for verdict in self.verdicts for finding in verdict.history)
        return tuple(sorted(past, key=lambda finding: (finding.intervals, finding.key)))

    @property
    def root_causes(self) -> tuple[Cause, ...]:
        """The root causes, the most severe first."""
        return self.diagnosis.causes

    @property
    def ok(self) -> bool:
        """Whether enough was observed to judge, and no warning or error is active; notes and history are allowed."""
        return self.state is ReportState.CLEAN

    @property
    def state(self) -> ReportState:
        """What the report comes to."""
        if self.at_least(Severity.WARNING):
            return ReportState.PROBLEMS
        return ReportState.TOO_LITTLE if self.missing or self.limits_reached else ReportState.CLEAN

    @property
    def limits_reached(self) -> tuple[Unseen, ...]:
        """Parts of a file that were not checked, because it holds more than spikecheck reads."""
        return tuple(one for one in self.unseen if one.kind is UnseenKind.FILE_LIMIT)

    @property
    def undetermined(self) -> bool:
        """Whether the losses, or the root causes, only show that little is learned, and no check shows why."""
        known = bool(self.root_causes) or self.missing == (UnseenKind.LEARNING.value,)
        return known and any(one.kind is UnseenKind.CAUSE for one in self.unseen)

    @property
    def missing(self) -> tuple[str, ...]:
        """What was not observed of a run that has to be before it can be called healthy; of a file, nothing is."""
        if self.subject:
            return ()
        kinds = [kind for kind in NEEDED if any(one.kind is kind for one in self.unseen)]
        if not kinds and not self.layers:
            kinds = [UnseenKind.SPIKING_LAYER]
        return tuple(kind.value for kind in kinds)

    @property
    def reservation(self) -> str:
        """Why a run without warnings is not called healthy: it learned little, or is too short to tell; or empty."""
        return next((one.text for one in self.unseen if one.kind in RESERVATIONS), "")

    @property
    def incomplete(self) -> tuple[Unseen, ...]:
        """What was not observed, without the reservation, which is part of the conclusion."""
        return tuple(one for one in self.unseen if one.kind not in RESERVATIONS)

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of this `severity` or above."""
        return tuple(finding for finding in self.findings if finding.severity >= severity)

    def with_outcome(self, answer: Outcome) -> tuple[Verdict, ...]:
        """Return the verdicts whose outcome is `answer`."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome is answer)

    @property
    def headline(self) -> str:
        """The run or the file in one line."""
        if self.subject:
            return self.subject
        run = counted(self.updates, "update") if self.updates else counted(self.forward_passes, "forward pass", "es")
        run = f"updates {self.since:,} to {self.updates:,}" if self.since else run
        return " · ".join(["spikecheck", run, *self.frameworks, counted(len(self.layers), "spiking layer")])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it, in the form that `$defs/report` of schema-1.json describes.

        It has every finding, verdict, loss and weight. Of a layer, it has the numbers of the table, and not the samples
        that only the pictures of `to_html` are made from: rasters, membrane potentials and the rate of each neuron.
        """
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "state": self.state.value,
            "subject": self.subject,
            "since": self.since,
            "updates": self.updates,
            "observed_updates": self.observed_updates,
            "forward_passes": self.forward_passes,
            "frameworks": list(self.frameworks),
            "cost": self.cost,
            "start_cost": self.start_cost,
            "root_causes": [
                {**finding_dict(cause.finding), "consequences": [finding_dict(f) for f in cause.consequences]}
                for cause in self.diagnosis.causes
            ],
            "notes": [finding_dict(f) for f in self.diagnosis.notes],
            "history": [
                {
                    **finding_dict(past),
                    "may_have_caused": [f"{f.check} {f.site}" for f in may_have_caused(past, self.findings)],
                }
                for past in self.history
            ],
            "verdicts": [
                {
                    "check": v.check,
                    "slug": v.slug,
                    "outcome": v.outcome.value,
                    "reason": v.reason,
                    "ignored": list(v.ignored),
                }
                for v in self.verdicts
            ],
            "layers": [layer_dict(row) for row in self.layers],
            "losses": [loss_dict(row) for row in self.losses],
            "weights": [asdict(row) for row in self.weights],
            "optimizers": [optimizer_dict(row) for row in self.optimizers],
            "experiments": [experiment_dict(row) for row in self.experiments],
            "healing": None if self.healing is None else healing_dict(self.healing),
            "ranks": [rank_dict(row) for row in self.ranks],
            "unseen": [{"kind": one.kind.value, "text": one.text} for one in self.unseen],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return `to_dict()` as JSON, `indent` spaces per level, on one line with None.

        Numbers that are not finite become null: JSON has no NaN and no infinity.
        """
        return json.dumps(plain(self.to_dict()), indent=indent, allow_nan=False)

    def compare(self, other: Report) -> Comparison:
        """Return what differs in the `other` run, the earliest difference first, such as one that does not learn."""
        from spikecheck.report.comparison import compare

        return compare(self.to_dict(), other.to_dict())

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write the report with its pictures to `path`: one HTML file that loads nothing. An existing one is replaced.

        Raises:
            SpikecheckError: jinja2 or matplotlib is not installed (`pip install 'spikecheck[html]'`), or the file
                cannot be written.
        """
        from spikecheck.report.file import write
        from spikecheck.report.html import page

        write(path, page([("", self, "")]))

    @property
    def conclusion(self) -> str:
        """The result in a few words."""
        if self.state is ReportState.PROBLEMS:
            return UNDETERMINED if self.undetermined else counted(len(self.root_causes), "root cause")
        if self.limits_reached:
            return "not judged: not read whole"
        if self.undetermined:
            return UNDETERMINED
        if self.state is ReportState.TOO_LITTLE:
            return f"not enough was observed to judge: {', '.join(self.missing)}"
        if self.subject and not self.observed_updates:
            sound = "the weights and one batch look sound" if self.layers else "the weights look sound"
            return f"{sound}; whether the network learned cannot be seen in a file"
        if self.subject and (not self.losses or any(one.kind in UNLEARNED for one in self.unseen)):
            return "no warning, no error; no loss shows that the network learned"
        return f"no warning, no error; {self.reservation}" if self.reservation else "healthy: no warning, no error"

    def __repr__(self) -> str:
        from spikecheck.report.encoding import encodable

        return encodable(f"<Report: {self.headline} · {self.conclusion}>", getattr(sys.stdout, "encoding", None))

    def __str__(self) -> str:
        """Return the report as text, in characters that standard output can show: `print(report)` never raises."""
        from spikecheck.report.encoding import encodable
        from spikecheck.report.terminal import plain_text

        return encodable(plain_text(self), getattr(sys.stdout, "encoding", None))

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from spikecheck.report.terminal import render

        yield from render(self, console, options)

    def _repr_html_(self) -> str:
        from spikecheck.report.notebook import report_html

        return report_html(self)
