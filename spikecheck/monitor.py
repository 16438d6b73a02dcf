"""Attaches to a model, and passes what is observed from room to room."""

from __future__ import annotations

import inspect
import threading
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Literal

from torch import nn
from torch.utils.data import get_worker_info

from spikecheck.announcements import Announcements
from spikecheck.checks.base import Observations, place_of
from spikecheck.checks.discovery import unusable_extensions
from spikecheck.checks.judge import Judge
from spikecheck.checks.progress import GRACE_UPDATES
from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.diagnosis import Cause
from spikecheck.errors import FindingError, SpikecheckWarning
from spikecheck.evidence.evidence import Evidence, limits_of
from spikecheck.finding import Finding, Severity, Unseen, UnseenKind
from spikecheck.ledger import Ledger
from spikecheck.probe.frameworks.base import broken_for
from spikecheck.probe.schedule import Schedule
from spikecheck.probe.session import Session
from spikecheck.probe.snapshot import Snapshot
from spikecheck.probe.watchers import watchers
from spikecheck.report.model import Report
from spikecheck.report.wording import unobserved, warning_text
from spikecheck.site import Site, SiteKind, TorchError
from spikecheck.stats.engine import Engine, measure_values

OnFinding = Literal["warn", "raise"] | Callable[[Finding], object]
RUN = Site(SiteKind.RUN, "the run")


class Monitor:
    """Watches one model until `detach()`; `report()` returns at any time what was found."""

    def __init__(
        self, model: nn.Module, judge: Judge, schedule: Schedule, on_finding: OnFinding, **options: Any
    ) -> None:
        self.model, self._judge, self._schedule, self._on_finding = model, judge, schedule, on_finding
        self._engine = Engine()
        self._lock = threading.RLock()  # held to observe, evaluate and copy; never while the user is told
        self._ledger = Ledger()
        self._first_sites: dict[tuple[SiteKind, str], Site] = {}
        self._raised: list[TorchError] = []
        self._announcements = Announcements(patient=on_finding != "raise")
        self._pending: list[Cause] = []
        self._error: Finding | None = None
        self.unusable_extensions = (*unusable_extensions(), *broken_for(model))
        self._session = Session(
            model,
            self._engine.receive,
            values_of=measure_values,
            guard=self._guard,
            evaluate=self._evaluate_if_scheduled,
            tier=schedule.tier,
            **options,
        )
        self._session.install()

    @property
    def watching(self) -> bool:
        """Whether it is watching: not after `detach()`, nor after an error of its own."""
        return self._session in watchers

    def detach(self) -> None:
        """Take every hook and patch off; what was observed can still be reported. Calling it twice does no harm."""
        self._session.remove()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()

    def __repr__(self) -> str:
        with self._lock:
            watched = self._session.describe()
        return f"<Monitor of {type(self.model).__name__}: {watched}{'' if self.watching else ', detached'}>"

    def report(self) -> Report:
        """Judge what was observed so far, as if the run ended here; from any thread, also while the model trains."""
        return self.evidence().report(self._judge)

    def state_dict(self) -> dict[str, Any]:
        """Return the evidence for the report in plain values, to be saved in a checkpoint for `spikecheck diagnose`."""
        return self.evidence().state_dict()

    def evidence(self) -> Evidence:
        """Return all that the report is made of, as it is now."""
        self._guard(self._session.settle)()
        with self._lock:
            return self._current_evidence()

    def _current_evidence(self) -> Evidence:
        known = self._session.snapshot(live=False)
        observations = self._observations(known, self._engine.snapshot)
        shown = sum(site.kind is SiteKind.SPIKES for site in observations.sites)
        return Evidence(
            observations,
            ledger=self._ledger,
            error=self._error,
            unseen=(
                *unobserved(observations.run, shown, known.loss_seen, known.optimizer, known.unseen),
                *(Unseen(UnseenKind.EXTENSION, str(one)) for one in self.unusable_extensions),
            ),
            cost=self._schedule.cost(),
            silenced=self._judge.ignore_rules,
            limits=limits_of(self._judge.checks),
            site_limits=self._judge.site_limits,
        )

    def _observations(self, known: Snapshot, engine: Callable[[], Engine]) -> Observations:
        """Return what the checks judge by: what was counted, the parameters as they are now, what needs no counting."""
        if known.parameters is not None:
            self._engine.receive(known.parameters)
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
            self._raised.append(TorchError(type(error).__name__, str(error), self._session.update))
        update = self._session.update or self._session.forward_passes
        waited = update == GRACE_UPDATES and not all(map(self._announcements.is_announced, self._ledger.records))
        if not (error or waited or self._schedule.is_evaluated(update)):
            return
        observations = self._observations(self._session.snapshot(live=True), lambda: self._engine)
        report = Report.of(self._judge.verdicts(observations, self._ledger))
        if self._schedule.close_window():
            self._engine.roll()
        self._session.refresh()
        self._ledger = self._ledger.observe(report.findings, observations.run.update)
        self._pending += self._announcements.due(
            report.diagnosis,
            observations.run.update,
            lambda finding: self._judge.awaits(finding, observations),
            last=error is not None,
        )

    def _guard(self, entry: Callable[..., None]) -> Callable[..., None]:
        """Return an entry point that holds the lock, is timed, and keeps our errors from the user's training.

        A DataLoader's worker has a copy of the model and of the monitor: nobody would read what is observed there.
        """

        @wraps(entry)
        def guarded(*args: Any, **kwargs: Any) -> None:
            if not watchers.receives(self._session) or get_worker_info() is not None:
                return
            with self._lock:
                self._schedule.enter()
                try:
                    entry(*args, **kwargs)
                except Exception as error:
                    self._step_aside(error)
                    if self._on_finding == "raise":
                        raise
                finally:
                    self._schedule.leave()
                pending, self._pending = self._pending, []
            if pending:
                self._tell(pending)

        return guarded

    def _step_aside(self, error: Exception) -> None:
        self.detach()
        last = traceback.extract_tb(error.__traceback__)[-1]
        self._error = OwnError().of(error, last.filename, last.lineno or 0, self._session.update)
        self._pending.append(Cause(self._error))

    def _tell(self, causes: list[Cause]) -> None:
        """Tell the user. Nothing is locked or guarded here, so what a callback raises is the user's own."""
        try:
            while causes:
                cause = causes.pop(0)
                if callable(self._on_finding):
                    self._on_finding(cause.finding)
                elif any(finding.severity > Severity.NOTE for finding in (cause.finding, *cause.consequences)):
                    if self._on_finding == "raise":
                        raise FindingError(warning_text(cause))
                    warnings.warn(warning_text(cause), SpikecheckWarning, stacklevel=outside())
        finally:  # what is left where telling raised is told with the next event
            with self._lock:
                self._pending[:0] = causes


def outside() -> int:
    """Return the level of the first frame that is neither ours nor torch's: a warning points at the user's line."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("spikecheck", "torch"):
        frame, level = frame.f_back, level + 1
    return max(level, 1)
