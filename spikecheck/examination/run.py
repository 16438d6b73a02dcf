"""Examine a network: gates, then experiments, then treatments, all on copies; one report.

1. Gates: an unchanged copy is watched while it trains. Its findings, and whether it learns, say whether it is sick.
2. Experiments: one thing is changed at a time. Some are made only if the network is sick.
3. Treatments: for a sick network only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import nn
from torch.optim.optimizer import Optimizer

from spikecheck.checks.base import Observations
from spikecheck.checks.judge import Judge
from spikecheck.errors import SpikecheckError
from spikecheck.evidence.evidence import Evidence
from spikecheck.examination.experiments.base import Experiment, Measurement, NotApplicableError, Phase, experiments
from spikecheck.examination.experiments.repeated_batch import needs_reset
from spikecheck.examination.healing import Healer
from spikecheck.examination.isolation import Failure, run_isolated, take_batches
from spikecheck.examination.progress import Advance, progress_bar
from spikecheck.examination.subject import MAX_BATCHES, Forward, Loss, Step, Subject
from spikecheck.examination.trial import RUNG, UPDATES
from spikecheck.examination.watch import Untreated, watch
from spikecheck.finding import Severity, Unseen, UnseenKind
from spikecheck.report.examined import ExperimentOutcome, ExperimentRow
from spikecheck.report.model import Report
from spikecheck.settings import Settings
from spikecheck.site import Site, SiteKind

WATCHING_SHARE = 0.3  # of the time, for the unchanged copy; what it does not use is left for the experiments
LEAST = 1.0  # seconds: an experiment is left out if less is left
WINDOWS = ("recent", "all")


def examine(
    model: nn.Module,
    batches: Any,
    loss_fn: Loss | None = None,
    optimizer: Optimizer | None = None,
    *,
    step: Step | None = None,
    forward: Forward | None = None,
    seconds: float = 60.0,
    treatment_seconds: float = 60.0,
    treatment_updates: int = UPDATES,
    max_batches: int = MAX_BATCHES,
    settings: Settings | Mapping[str, Any] | None = None,
    ignore: Iterable[str] = (),
    progress: bool = True,
) -> Report:
    """Make experiments on copies of a network, and report what they show. Your own objects do not change.

    Args:
        model: the spiking network, as it is before training or in the middle of it.
        batches: a DataLoader, a list or a generator of batches (inputs, targets). The first `max_batches` are taken; a
            quarter of them, or 256 samples, are held out. A generator is not used up.
        loss_fn: called as `loss_fn(output, targets)`.
        optimizer: the one that trains the model; without it, Adam with a learning rate of 0.001.
        step: the script's own training step, called with the parts of a batch, `step(x, y)`, and returning the loss.
            Some faults lie in the loop, which nothing else shows.
        forward: what calls the model, where that takes more than `model(x)`, such as `lambda x: model(encode(x))`.
        seconds: the time for the experiments. The report names those that there was no time for.
        treatment_seconds: the time for treatments of a sick network; 0 for none.
        treatment_updates: after how many updates a treated copy is judged; one that passes is judged again after twice
            and four times as many. More for a task that is learned slowly.
        max_batches: how many batches are taken.
        settings: as in `spikecheck.attach`.
        ignore: as in `spikecheck.attach`.
        progress: whether a bar is drawn on standard error, if it is a terminal.

    Raises:
        SpikecheckError: an argument cannot be used, or an unchanged copy cannot be trained at all.
    """
    if not seconds > 0:
        raise SpikecheckError(f"seconds= must be above 0, got {seconds!r}")
    if treatment_updates <= RUNG:
        raise SpikecheckError(f"treatment_updates= must be above {RUNG}, got {treatment_updates!r}")
    judge = Judge.of(Settings.of(settings), [ignore] if isinstance(ignore, str) else ignore)
    until = time.monotonic() + seconds
    subject = Subject.of(model, take_batches(batches, max_batches), loss_fn, optimizer, step=step, forward=forward)
    with progress_bar(1 + len(experiments()), shown=progress) as advance:
        examination = Examination(subject, judge, until, advance)
        report = examination.report()
        if not treatment_seconds > 0:
            return report
        return with_healing(report, subject, treatment_seconds, advance, treatment_updates)


def with_healing(report: Report, subject: Subject, seconds: float, advance: Advance, updates: int = UPDATES) -> Report:
    """Return the report with what treatments of copies came to."""
    until = time.monotonic() + seconds
    healer = Healer(subject, report.root_causes, report.diagnosis.notes, until, advance, updates)
    return replace(report, healing=healer.heal())


@dataclass
class Examination:
    """One examination: what was measured so far, and what is to be done until when."""

    subject: Subject
    judge: Judge
    until: float
    advance: Advance
    chosen: Sequence[Experiment] = field(default_factory=experiments)
    measurements: list[Measurement] = field(default_factory=list)
    rows: list[ExperimentRow] = field(default_factory=list)

    def report(self) -> Report:
        """Do everything, and report it."""
        untreated = self.gates()
        for experiment in self.chosen:
            if experiment.phase is not Phase.TRAINED:
                self.experiment(experiment, untreated)
        return self.judged(untreated)

    @property
    def seconds_left(self) -> float:
        """The seconds that are left."""
        return max(0.0, self.until - time.monotonic())

    def gates(self) -> Untreated:
        """Watch an unchanged copy train, and make the experiments on the trained copy."""
        self.advance("training an unchanged copy")
        limit = self.seconds_left
        self.subject.resets = bool(run_isolated(needs_reset, self.subject, seconds=limit).value)
        result = run_isolated(partial(train_and_try, seconds=WATCHING_SHARE * limit), self.subject, seconds=limit)
        untreated, tried = result.get()
        self.measurements.append(Measurement(untreated.reading))
        for experiment, (measurements, failure, seconds) in zip(trained_experiments(), tried, strict=True):
            self.note(experiment, measurements, failure, seconds)
        return untreated

    def experiment(self, experiment: Experiment, untreated: Untreated) -> None:
        """Make one experiment, unless there is no reason to or no time left."""
        self.advance(experiment.name)
        if experiment.phase is Phase.SICK and not self.is_sick(untreated):
            self.leave_out(experiment, "the network learns, and has no finding that needs it")
        elif experiment.phase is Phase.SICK and untreated.error:
            self.leave_out(experiment, "no update can be made: an unchanged copy raises an error")
        elif self.seconds_left < LEAST:
            self.leave_out(experiment, "no time was left for it: pass more seconds=")
        else:
            limit = min(experiment.seconds, self.seconds_left)
            result = run_isolated(partial(attempted, experiment=experiment), self.subject, seconds=limit)
            outcome = result.value or ([], "")
            self.note(experiment, outcome, result.failure, result.seconds)

    def note(
        self,
        experiment: Experiment,
        outcome: tuple[list[Measurement], str],
        failure: Failure | None,
        seconds: float,
    ) -> None:
        """Keep what became of an experiment."""
        measurements, why_not = outcome
        kind, text = ExperimentOutcome.DONE, ""
        if failure is not None:
            kind, text = ExperimentOutcome.FAILED, str(failure)
        elif why_not:
            kind, text = ExperimentOutcome.NOT_APPLICABLE, why_not
        else:
            text = experiment.summarize(measurements)
            self.measurements += measurements
        self.rows.append(row(experiment, kind, text, seconds))

    def leave_out(self, experiment: Experiment, why: str) -> None:
        """Keep that an experiment was not made."""
        self.rows.append(row(experiment, ExperimentOutcome.LEFT_OUT, why))

    def is_sick(self, untreated: Untreated) -> bool:
        """Return whether the network does not learn, or something was found."""
        learned = untreated.reading.learned
        return learned is False or bool(self.judged(untreated).at_least(Severity.WARNING))

    def judged(self, untreated: Untreated) -> Report:
        """Return the report on everything that was measured so far."""
        evidence = Evidence.from_state_dict(untreated.evidence)
        report = with_measurements(evidence, self.measurements).report(self.judge)
        unseen = [Unseen(UnseenKind.OTHER, f"an update of the unchanged copy raised {untreated.error}")]
        unseen = unseen if untreated.error else []
        if untreated.evaluation_error:
            text = f"no accuracy: the model called with a batch raised {untreated.evaluation_error}; forward= calls it"
            unseen.append(Unseen(UnseenKind.OTHER, text))
        unseen += [
            Unseen(UnseenKind.OTHER, f"experiment {one.name!r} failed: {one.text}")
            for one in self.rows
            if one.outcome is ExperimentOutcome.FAILED
        ]
        remaining = [one for one in report.unseen if one.kind is not UnseenKind.CAUSE]  # it recommends this examination
        return replace(report, experiments=tuple(self.rows), unseen=(*remaining, *unseen), cost=None, start_cost=None)


def row(experiment: Experiment, outcome: ExperimentOutcome, text: str, seconds: float = 0.0) -> ExperimentRow:
    """Return the row of an experiment."""
    return ExperimentRow(experiment.name, outcome, text, seconds, experiment.proves, experiment.cannot_tell)


def trained_experiments() -> list[Experiment]:
    """Return the experiments that are made on a trained copy."""
    return [experiment for experiment in experiments() if experiment.phase is Phase.TRAINED]


def train_and_try(subject: Subject, *, seconds: float) -> tuple[Untreated, list[Any]]:
    """Train an unchanged copy with a monitor attached, and then make the experiments on what it became."""
    untreated = watch(subject, seconds)
    tried = []
    for experiment in trained_experiments():
        left = subject.deadline - time.monotonic() if math.isfinite(subject.deadline) else experiment.seconds
        result = run_isolated(
            partial(attempted, experiment=experiment), subject, seconds=max(LEAST, min(left, experiment.seconds))
        )
        tried.append((result.value or ([], ""), result.failure, result.seconds))
    return untreated, tried


def attempted(subject: Subject, *, experiment: Experiment) -> tuple[list[Measurement], str]:
    """Return the measurements of an experiment, or why it cannot be made."""
    try:
        return experiment.run(subject), ""
    except NotApplicableError as error:
        return [], str(error)


def with_measurements(evidence: Evidence, measurements: list[Measurement]) -> Evidence:
    """Return the evidence of the watched copy together with the readings of experiments."""
    observations = evidence.observations
    known = {site.name: site for site in reversed(observations.sites)}
    sites = {}
    windows = {
        window: {place: dict(r) for place, r in places.items()} for window, places in observations.windows.items()
    }
    for one in measurements:
        known_site = known.get(one.place)
        sites[one.place] = (
            Site(SiteKind.EXPERIMENT, one.place)
            if known_site is None
            else replace(known_site, kind=SiteKind.EXPERIMENT)
        )
        for window in WINDOWS:
            windows.setdefault(window, {}).setdefault(one.place, {})[type(one.reading)] = one.reading
    joined = Observations(observations.run, (*observations.sites, *sites.values()), windows, observations.first_sites)
    return replace(evidence, observations=joined)
