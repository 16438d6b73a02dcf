"""Attaches to a model, and carries what is seen from room to room."""

from __future__ import annotations

import inspect
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from typing import Any, Literal

from torch import Tensor, nn
from torch.utils.data import get_worker_info

from spikecheck.checks.base import Evidence, broken, place
from spikecheck.checks.judge import Judge
from spikecheck.checks.progress import WAKING
from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.errors import FindingError, SpikecheckWarning
from spikecheck.evidence.evidence import Account, limits_of
from spikecheck.finding import Finding, Severity, Unseen, UnseenKind
from spikecheck.probe.frameworks.base import broken_for
from spikecheck.probe.hooks import Probe
from spikecheck.probe.modes import Modes
from spikecheck.probe.schedule import Schedule
from spikecheck.report.model import Report
from spikecheck.report.wording import unobserved, warning_text
from spikecheck.site import Raised, Site, SiteKind
from spikecheck.stats.engine import Engine, values_of

OnFinding = Literal["warn", "raise"] | Callable[[Finding], object]
RUN = Site(SiteKind.RUN, "the run")
attached: list[Monitor] = []  # in the order of attaching; the last one hears the taps


class Monitor:
    """Watches one model until `detach()`; `report()` says at any time what it thinks of it."""

    def __init__(self, model: nn.Module, judge: Judge, schedule: Schedule, on_finding: OnFinding, **told: Any) -> None:
        self.model, self._judge, self._schedule, self._on_finding = model, judge, schedule, on_finding
        self._engine, self._modes = Engine(), Modes(model)
        self._live: dict[tuple[str, str, str], Finding] = {}
        self._raised: list[Raised] = []
        self._told: dict[tuple[str, str, str], int] = {}
        self._error: Finding | None = None
        self._in_callback = False
        self.left_out = (*broken(), *broken_for(model))
        self._probe = Probe(
            model,
            self._engine.receive,
            guard=self._guard,
            look=values_of,
            due=self._due,
            observed=schedule.observed,
            **told,
        )
        self._probe.install()
        attached.append(self)

    @property
    def watching(self) -> bool:
        """Is it watching? Not after `detach()`, and not after an error of its own."""
        return self in attached

    def detach(self) -> None:
        """Take every hook and patch off; what was seen stays, and can still be reported. Twice does no harm."""
        if self in attached:
            attached.remove(self)
            self._probe.remove()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()

    def report(self) -> Report:
        """What was seen so far, judged as if the run ended here."""
        return self.account().report(self._judge)

    def state_dict(self) -> dict[str, Any]:
        """The evidence for the report, in plain values: kept in a checkpoint, `spikecheck diagnose` judges by it."""
        return self.account().state_dict()

    def tapped(self, name: str, spikes: Tensor, current: Tensor | None, potential: Tensor | None) -> None:
        """The script shows the spikes of code that is no module: see `spikecheck.tap`."""
        self._probe.tapped(name, spikes, current, potential)

    # -- from room to room

    def _evidence(self, *, live: bool) -> Evidence:
        training = self._engine.trained()
        run = replace(self._probe.run(live=live), raised=tuple(self._raised))
        known = {**self._modes.readings(self._probe.trace.calls), **self._probe.flows()}
        windows = self._engine.windowed(training, place, {**known, RUN.name: run})
        return Evidence(run, (*self._engine.sites(training), *self._modules(), RUN), windows)

    def _modules(self) -> tuple[Site, ...]:
        order, library = self._probe.trace.order, self._probe.framework
        moded = self._modes.readings(self._probe.trace.calls)
        layers = (layer.site(SiteKind.MODULE) for layer in self._probe.spiking() if layer.forwards)
        return (*layers, *(Site(SiteKind.MODULE, name, order.get(name, 0), library) for name in moded))

    def _seen(self, *, live: bool) -> Evidence:
        if (parameters := self._probe.optimizers.parameters(self._probe.clock.update)) is not None:
            self._engine.receive(parameters)
        return self._evidence(live=live)

    def account(self) -> Account:
        """All that the report is made of."""
        if self.watching:
            self._guard(self._probe.settle)()
        evidence = self._seen(live=False)
        layers = self._probe.spiking()
        blind = self._probe.unseen | {la.name: la.unseen for la in layers if la.unseen}
        shown = sum(site.kind is SiteKind.SPIKES for site in evidence.sites)
        return Account(
            evidence,
            earlier=tuple(self._live.values()),
            error=self._error,
            unseen=(
                *unobserved(evidence.run, shown, self._probe.book.seen, self._probe.optimizers.kind, blind),
                *(Unseen(UnseenKind.EXTENSION, str(one)) for one in self.left_out),
            ),
            cost=self._schedule.cost(),
            silenced=self._judge.silenced,
            limits=limits_of(self._judge.checks),
            site_limits=self._judge.site_limits,
        )

    # -- while training goes on

    def _due(self, error: Exception | None = None) -> None:
        """The optimizer is about to step, a forward without gradients is over, or torch raised: judge and tell."""
        if error is None:
            self._modes.look()
        else:
            self._raised.append(Raised(type(error).__name__, str(error), self._probe.clock.update))
        update = self._probe.clock.update or self._probe.clock.forwards
        waited = update == WAKING and self._live.keys() != self._told.keys()
        if not (error or waited or self._schedule.judged(update)):
            return
        evidence = self._seen(live=True)
        found = Report.of(self._judge.verdicts(evidence)).findings
        if self._schedule.full():
            self._engine.roll()
        self._probe.refresh()
        self._keep(found, evidence.run.update)
        for finding in found:
            if finding.severity > self._told.get(finding.key, 0) and not self._judge.awaits(finding, evidence):
                self._told[finding.key] = finding.severity
                self._tell(self._live[finding.key])

    def _keep(self, found: Iterable[Finding], update: int) -> None:
        """Keep what is found as it was at first, or is worse now, and since when that is over."""
        now = {finding.key: finding for finding in found}
        kept = {key: self._live.get(key, finding) for key, finding in now.items()}
        self._live |= {key: replace(max(kept[key], now[key], key=severity), until=None) for key in now}
        over = {key: finding for key, finding in self._live.items() if key not in now and finding.until is None}
        self._live |= {key: replace(finding, until=update) for key, finding in over.items()}

    def _tell(self, finding: Finding) -> None:
        if callable(self._on_finding):
            self._in_callback = True  # what it raises is the user's own, and goes to the user
            self._on_finding(finding)
            self._in_callback = False
        elif finding.severity > Severity.NOTE:
            if self._on_finding == "raise":
                raise FindingError(warning_text(finding))
            warnings.warn(warning_text(finding), SpikecheckWarning, stacklevel=outside())

    def _guard(self, entry: Callable[..., None]) -> Callable[..., None]:
        """The entry point with the clock running, and with our errors kept from the user's training.

        A DataLoader's worker has a copy of the model and of us: what it sees would be told to nobody.
        """

        @wraps(entry)
        def guarded(*args: Any, **kwargs: Any) -> None:
            if self not in attached or get_worker_info() is not None:
                return
            self._schedule.enter()
            try:
                entry(*args, **kwargs)
            except (FindingError, SpikecheckWarning):  # the latter where warnings are turned into errors
                raise
            except Exception as error:
                if self._in_callback:
                    self._in_callback = False
                    raise
                self._step_aside(error)
                if self._on_finding == "raise":
                    raise
            finally:
                self._schedule.leave()

        return guarded

    def _step_aside(self, error: Exception) -> None:
        self.detach()
        last = traceback.extract_tb(error.__traceback__)[-1]
        self._error = OwnError().of(error, last.filename, last.lineno or 0, self._probe.clock.update)
        if self._on_finding != "raise":
            self._tell(self._error)


def severity(finding: Finding) -> int:
    """How bad it is; of two that are as bad, `max` takes the first."""
    return finding.severity


def outside() -> int:
    """The level of the first frame that is neither ours nor torch's: a warning points at the user's own line."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("spikecheck", "torch"):
        frame, level = frame.f_back, level + 1
    return max(level, 1)
