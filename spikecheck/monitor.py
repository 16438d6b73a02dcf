"""Attaches to a model, and passes what is observed from room to room."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, Literal

from torch import nn
from torch.optim.optimizer import Optimizer

from spikecheck.announcements import Announcements
from spikecheck.border import Border, outside
from spikecheck.checks.base import WINDOWS, Observations, Readings, place_of
from spikecheck.checks.discovery import unusable_extensions
from spikecheck.checks.judge import Judge
from spikecheck.checks.learning import signs_of_learning
from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.diagnosis import Cause
from spikecheck.errors import FindingError, SpikecheckError, SpikecheckWarning
from spikecheck.evidence.evidence import FORMAT, VERSION, Evidence
from spikecheck.evidence.resumed import shifted_cause
from spikecheck.finding import Finding, Outcome, Severity, Unseen, UnseenKind, Verdict
from spikecheck.ledger import Ledger
from spikecheck.outside_text import MAX_SENTENCE, safe
from spikecheck.packages import UnusableExtension
from spikecheck.probe.batches import KeptBatches
from spikecheck.probe.find import class_of
from spikecheck.probe.frameworks.base import broken_for
from spikecheck.probe.idle import Idle, nothing
from spikecheck.probe.parameter_set import ParameterSet
from spikecheck.probe.schedule import Schedule
from spikecheck.probe.session import Session
from spikecheck.probe.snapshot import Snapshot
from spikecheck.probe.watchers import watchers
from spikecheck.ranks.exchange import Exchange, exchange_of
from spikecheck.ranks.join import evidence_at_end, evidence_of_run, joined
from spikecheck.report.model import Report
from spikecheck.report.phase import phase
from spikecheck.report.wording import SWITCHED_OFF, unobserved, warning_text
from spikecheck.settings import is_switched_off, process_of_run
from spikecheck.sinks.base import RunStart, Sink
from spikecheck.sinks.last_report import end_at_exit, print_report
from spikecheck.sinks.sink_set import SinkSet
from spikecheck.site import Site, SiteKind, TorchError
from spikecheck.stats.engine import Engine, measure_values

OnFinding = Literal["warn", "raise"] | Callable[[Finding], object]
RUN = Site(SiteKind.RUN, "the run")


class Monitor:
    """Watches one model until `detach()`; `report()` can be called at any time."""

    def __init__(
        self,
        model: nn.Module,
        judge: Judge,
        schedule: Schedule,
        on_finding: OnFinding,
        sinks: Iterable[Sink] = (),
        report_on_error: bool = False,
        **options: Any,
    ) -> None:
        self.model, self._judge, self._schedule, self._on_finding = model, judge, schedule, on_finding
        self._border = Border(schedule, raises=on_finding == "raise")
        self._lock, self._guard = self._border.lock, self._border.guard
        self._engine = self._border.attempt(Engine, lambda: Engine({}))
        self._ledger = Ledger()
        self._first_sites: dict[tuple[SiteKind, str], Site] = {}
        self._raised: list[TorchError] = []
        self._announcements = Announcements(patient=on_finding != "raise")
        self._pending: list[Cause] = []
        self.unusable_extensions: tuple[UnusableExtension, ...] = ()
        start = RunStart(class_of(model), options.get("variable", "model"), *(process_of_run() or (None, 1)))
        self._sinks = SinkSet(start, list(sinks))
        self._report_on_error = report_on_error
        self._earlier: tuple[Evidence, ...] = ()  # of a run that this one resumes
        self._first_update = 0
        if not self._sinks.is_empty:
            end_at_exit(self)
        self._batches: KeptBatches = options.get("batches") or KeptBatches(0)
        self._session: Session | Idle = Idle()
        self._ranks: Exchange | None = None
        self._border.tell, self._border.has_news = (
            self._tell_pending,
            lambda: bool(self._pending or self._sinks.failures or (self._ranks is not None and self._ranks.has_news)),
        )
        self._is_off = is_switched_off()
        if self._border.error is None and not self._is_off:
            self._border.attempt(lambda: self._attach(options), lambda: None)

    def _attach(self, options: dict[str, Any]) -> None:
        """Put every hook on."""
        self.unusable_extensions = (*unusable_extensions(), *broken_for(self.model))
        session = Session(
            self.model,
            self._engine.receive,
            values_of=measure_values,
            guard=self._guard,
            evaluate=self._evaluate_if_scheduled,
            tier=self._schedule.tier,
            note=self._schedule.note,
            **options,
        )
        self._session, border = session, self._border
        border.close, border.update = session.remove, lambda: session.update
        border.receives = lambda: watchers.receives(session)
        self._session.install()
        self._ranks = exchange_of(self.model, self._observed, lambda: session.update + session.forward_passes)

    def note_errors(self, errors: Iterable[Exception]) -> None:
        """Take errors of ours from before the watching: it is stopped, and the user is told once."""
        for error in errors:
            self._border.note(error)
            if self._border.raises:
                raise error
        self._tell_pending()

    @property
    def watching(self) -> bool:
        """Whether it is watching, which it is not after `detach()` or after an error of its own."""
        return self._session in watchers

    def detach(self) -> None:
        """Remove every hook and patch; what was observed can still be reported. Calling it twice does no harm."""
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        """Detach, and give every sink the last report; `error` is what ended the run."""
        self._border.attempt(self._session.remove, lambda: None)
        self.end_sinks(error)

    def end_sinks(self, error: BaseException | None = None) -> None:
        """Give every sink the last report, of all ranks on the first one and where an error ended the run."""
        if self._ranks is not None:
            self._border.attempt(partial(self._ranks.end, failed=error is not None), lambda: None)
        if not self._sinks.is_empty:
            text = "" if error is None else safe(f"{type(error).__name__}: {error}".removesuffix(": "), MAX_SENTENCE)
            evidence = self._evidence_of_run(partial(evidence_at_end, failed=error is not None))
            with self._lock:
                self._border.attempt(lambda: self._sinks.end(evidence, self._report_of(evidence), text), lambda: None)
            self._tell_pending()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.end(error)
        if self._report_on_error and error is not None and not isinstance(error, GeneratorExit):
            report = self.last_report()
            if report.forward_passes:
                print_report(report)

    def __repr__(self) -> str:
        with self._lock:
            watched = self._border.attempt(self._session.describe, lambda: "stopped by an error of its own")
            watched = "switched off by SPIKECHECK=off" if self._is_off else watched
        return f"<Monitor of {class_of(self.model)}: {watched}{'' if self.watching else ', detached'}>"

    def _repr_html_(self) -> str:
        """Return what is watched, and the report so far, for a notebook."""
        from spikecheck.report.notebook import monitor_html

        return monitor_html(repr(self), self.report())

    def report(self, since: int = 0) -> Report:
        """Judge what was observed so far, as if the run ended here; from any thread, also while the model trains.

        Args:
            since: report on one phase of the training: curves begin at this update, and findings that were over before
                it are left out. What is active now is judged as always.

        Raises:
            SpikecheckError: the run has not reached this update.
        """
        report = self._judged(evidence_of_run)
        if since and (not isinstance(since, int) or not 0 < since <= report.updates):
            raise SpikecheckError(f"since= takes an update from 0 to {report.updates:,}, got {since!r}")
        return phase(report, since) if since else report

    def last_report(self) -> Report:
        """Return the report that a run ends with: as `report()`, but of very many ranks that of this one alone."""
        return self._judged(partial(evidence_at_end, failed=True))

    def _judged(self, of_ranks: Callable[..., Evidence]) -> Report:
        report = self._border.attempt(lambda: self._report_of(self._evidence_of_run(of_ranks)), self._report_of_error)
        self._tell_pending()
        return report

    def _evidence_of_run(self, of_ranks: Callable[..., Evidence]) -> Evidence:
        if self._ranks is None:
            return self.evidence()
        of_run = partial(of_ranks, self._ranks, self._evidence, self._report_of)
        return self._border.attempt(of_run, self._evidence_on_error)

    def _observed(self) -> tuple[Evidence, Engine]:
        """Return what this process observed, for the other ranks."""
        evidence = self._evidence()
        with self._lock:
            return evidence, self._engine.snapshot(self._border.note)

    def _report_of(self, evidence: Evidence) -> Report:
        report = evidence.report(self._judge, self._border.note)
        if self._border.error is not evidence.error:
            report = replace(evidence, error=self._border.error).report(self._judge, self._border.note)
        return replace(report, model="" if isinstance(self.model, ParameterSet) else class_of(self.model))

    def _report_of_error(self) -> Report:
        """Return a report that says that spikecheck failed, where not even a part of it could be made."""
        error = self._border.error
        verdict = Verdict(OwnError.id, OwnError.slug, Outcome.FINDINGS, () if error is None else (error,))
        session = self._session
        return Report.of((verdict,), updates=session.update, forward_passes=session.forward_passes)

    def examine(self, loss_fn: Callable[..., Any], optimizer: Optimizer | None = None, **options: Any) -> Report:
        """Make experiments on copies of the model, with the batches that were kept: see `spikecheck.examine`.

        Args:
            loss_fn: called as `loss_fn(output, targets)`.
            optimizer: the one that trains the model; without it, Adam with a learning rate of 0.001.
            options: further arguments of `spikecheck.examine`.

        Raises:
            SpikecheckError: no batch was kept, or an argument cannot be used.
        """
        if not self._batches.batches:
            raise SpikecheckError(
                "no batch was kept: pass keep_batches=8 to attach(), and train; or pass batches to spikecheck.examine()"
            )
        if self.evidence().observations.run.called_per_time_step:
            raise SpikecheckError(
                "the model is called once per time step, and a kept batch is one step: call spikecheck.examine() with "
                "batches of whole sequences and forward=, which calls the model for all steps of one"
            )
        # By its name, since an examination attaches monitors itself.
        report: Report = import_module("spikecheck.examination").examine(
            self.model, list(self._batches.batches), loss_fn, optimizer, **options
        )
        return report

    def state_dict(self) -> dict[str, Any]:
        """Return the evidence of the run as plain values, to be saved in a checkpoint for `spikecheck diagnose`."""
        attempt, on_error = self._border.attempt, self._evidence_on_error
        nothing = {"format": FORMAT, "version": VERSION, "content": "{}"}  # `diagnose` says that it cannot be used
        return attempt(
            lambda: self.evidence().state_dict(),
            lambda: attempt(lambda: on_error().state_dict(), lambda: nothing),
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue the run whose `state_dict` returned this `state`: reports then cover both runs as a whole.

        Call it after `attach` and before the first update. A later call replaces what an earlier one loaded.

        Raises:
            SpikecheckError: the state is of a newer version or damaged.
        """
        evidence = Evidence.from_state_dict(state, safe)
        with self._lock:
            self._earlier, self._first_update = evidence.parts(), evidence.updates
            self._sinks.start = replace(self._sinks.start, first_update=evidence.updates)

    def evidence(self) -> Evidence:
        """Return all that the report is made of, as it is now."""
        evidence = self._border.attempt(self._evidence, self._evidence_on_error)
        self._tell_pending()
        return evidence

    def _evidence_on_error(self) -> Evidence:
        """Return evidence of nothing but our own error."""
        run = replace(nothing(), update=self._session.update, forward_passes=self._session.forward_passes)
        return Evidence(Observations(run, (), {window: {} for window in WINDOWS}), error=self._border.error)

    def _evidence(self, others: Sequence[Engine] = ()) -> Evidence:
        """Return the evidence of this process, or, with the engines of `others`, of all ranks."""
        self._guard(self._session.settle)()
        with self._lock:
            return self._current_evidence(others)

    def _current_evidence(self, others: Sequence[Engine]) -> Evidence:
        attempt, note = self._border.attempt, self._border.note
        known = attempt(lambda: self._session.snapshot(live=False), lambda: Idle().snapshot(live=False))

        def engine() -> Engine:
            own = self._engine.snapshot(note)
            return joined(own, others) if others else own

        observations = self._observations(known, engine)
        return self._evidence_of(known, observations)

    def _evidence_of(self, known: Snapshot, observations: Observations) -> Evidence:
        """Return all that the report is made of, around what was observed."""
        shown = sum(site.kind is SiteKind.SPIKES for site in observations.sites)
        readings = Readings(observations, "")
        learned = signs_of_learning(readings)
        return Evidence(
            observations,
            ledger=self._ledger,
            error=self._border.error,
            unseen=(SWITCHED_OFF,)
            if self._is_off
            else (
                *unobserved(observations.run, shown, known.loss_seen, known.optimizer, known.unseen, *learned),
                *(Unseen(UnseenKind.EXTENSION, str(one)) for one in self.unusable_extensions),
            ),
            cost=self._schedule.cost(),
            start_cost=self._schedule.start_cost(),
            silenced=self._judge.ignore_rules,
            limits=self._judge.changed_limits,
            site_limits=self._judge.site_limits,
            earlier=self._earlier,
            first_update=self._first_update,
        )

    def _observations(self, known: Snapshot, engine: Callable[[], Engine]) -> Observations:
        """Return what the checks judge by: what was counted, the parameters as they are now, what needs no counting."""
        self._border.attempt(lambda: self._engine.receive_parameters(known.parameters), lambda: None)
        counted = engine()
        training = counted.trained()
        run = replace(known.run, torch_errors=tuple(self._raised))
        windows = counted.windowed(training, place_of, {**known.readings, RUN.name: run})
        sites = (*counted.sites(training), *known.modules, RUN)
        before = [self._first_sites.setdefault((site.kind, site.name), site) for site in sites]
        changed = tuple(was for was, site in zip(before, sites, strict=True) if was.neuron != site.neuron)
        return Observations(run, sites, windows, changed)

    # -- while training goes on

    def _evaluate_if_scheduled(self, error: Exception | None = None) -> None:
        """An update is about to be made, a pass without gradients is over, or torch raised: judge, if it is time."""
        if error is not None:
            self._raised.append(
                TorchError(safe(type(error).__name__), safe(str(error), MAX_SENTENCE), self._session.update)
            )
        update = self._session.update or self._session.forward_passes
        due = self._announcements.is_due(update, self._ledger.records)
        if not (self._engine.breaks() or error or due or self._schedule.is_evaluated(update)):
            return
        known = self._session.snapshot(live=True)
        observations = self._observations(known, lambda: self._engine)
        report = Report.of(self._judge.verdicts(observations, self._ledger))
        if self._schedule.close_window():
            self._engine.roll()
        self._session.refresh()
        self._ledger = self._ledger.observe(report.findings, observations.run.update)
        causes = tuple(
            self._announcements.due(
                report.diagnosis,
                observations.run.update,
                lambda members: self._judge.awaits(members, observations),
                last=error is not None,
            )
        )
        if self._first_update:
            causes = tuple(shifted_cause(cause, self._first_update) for cause in causes)
        self._pending += causes
        self._sinks.evaluated(observations, report.findings, causes, lambda: self._evidence_of(known, observations))

    def _tell_pending(self) -> None:
        """Tell the user what is pending, an error of our own among it."""
        with self._lock:
            error = self._border.take_error()
            pending, self._pending = [*self._pending, *([] if error is None else [Cause(error)])], []
            texts = [*self._sinks.take_failures(), *self._news_of_ranks()]
        for text in texts:
            warnings.warn(text, SpikecheckWarning, stacklevel=outside())
        if pending:
            self._tell(pending)

    def _news_of_ranks(self) -> list[str]:
        """Return the root causes on other ranks, to warn of; those that are known here were warned of."""
        if self._ranks is None or self._on_finding != "warn":
            return []
        return self._ranks.take_news(self._announcements.is_announced)

    def _tell(self, causes: list[Cause]) -> None:
        """Tell the user. Nothing is locked or guarded here, so what a callback raises is the user's own."""
        try:
            while causes:
                cause = causes.pop(0)
                if callable(self._on_finding):
                    self._on_finding(cause.finding)
                elif any(finding.severity > Severity.NOTE for finding in (cause.finding, *cause.consequences)):
                    text = self._border.attempt(partial(warning_text, cause), partial(str, cause.finding))
                    if self._on_finding == "raise":
                        raise FindingError(text)
                    if self._ranks is None or not self._ranks.hand_over(cause.finding.key, text):
                        warnings.warn(text, SpikecheckWarning, stacklevel=outside())
        finally:  # what is left where telling raised is told with the next event
            with self._lock:
                self._pending[:0] = causes
