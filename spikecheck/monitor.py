"""Attaches to a model, and carries what is seen from room to room."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from spikecheck.checks.base import Evidence, place
from spikecheck.checks.judge import Judge, Silenced
from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.errors import FindingError, SpikecheckError, SpikecheckWarning
from spikecheck.finding import Answer, Finding, Severity, Verdict
from spikecheck.probe.hooks import Probe
from spikecheck.probe.schedule import Schedule
from spikecheck.readings import DriveReading, FlowReading, SpikeReading
from spikecheck.report.model import LayerRow, Report
from spikecheck.report.wording import not_seen, warning_text
from spikecheck.settings import Settings
from spikecheck.site import SiteKind
from spikecheck.stats.engine import Engine, values_of

OnFinding = Literal["warn", "raise"] | Callable[[Finding], object]
_attached: list[Monitor] = []


class Monitor:
    """Watches one model until `detach()`; `report()` says at any time what it thinks of it."""

    def __init__(self, model: nn.Module, judge: Judge, schedule: Schedule, on_finding: OnFinding, **told: Any) -> None:
        self.model, self._judge, self._schedule, self._on_finding = model, judge, schedule, on_finding
        self._engine = Engine()
        self._live: dict[tuple[str, str, str], Finding] = {}
        self._error: Finding | None = None
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
        _attached.append(self)

    @property
    def attached(self) -> bool:
        """Is it watching? Not after `detach()`, and not after an error of its own."""
        return self in _attached

    def detach(self) -> None:
        """Take every hook and patch off; what was seen stays, and can still be reported. Twice does no harm."""
        if self in _attached:
            _attached.remove(self)
            self._probe.remove()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *exc: object) -> None:
        self.detach()

    def report(self) -> Report:
        """What was seen so far, judged as if the run ended here."""
        verdicts = tuple(map(self._with_earlier, self._verdicts(live=False)))
        if self._error is not None:
            verdicts += (Verdict(OwnError.id, OwnError.slug, Answer.FOUND, (self._error,)),)
        run, layers = self._probe.run(live=False), self._rows()
        blind = self._probe.unseen | {la.name: la.unseen for la in self._probe.spiking() if la.unseen}
        return Report.of(
            verdicts,
            layers=layers,
            unseen=not_seen(run, len(layers), self._probe.loss_seen, self._probe.optimizers.kind, blind),
            frameworks=run.frameworks,
            updates=run.update,
            forwards=run.forwards,
            cost=self._schedule.cost(),
        )

    # -- from room to room

    def _evidence(self, *, live: bool) -> Evidence:
        training = self._engine.trained()
        flows = self._probe.flows()
        windows = self._engine.windowed(training, place, flows)
        return Evidence(self._probe.run(live=live), self._engine.sites(training), windows)

    def _verdicts(self, *, live: bool) -> tuple[Verdict, ...]:
        if (parameters := self._probe.optimizers.parameters(self._probe.clock.update)) is not None:
            self._engine.receive(parameters)
        return self._judge.verdicts(self._evidence(live=live))

    def _rows(self) -> tuple[LayerRow, ...]:
        evidence = self._evidence(live=False)
        rows = []
        for site in sorted((s for s in evidence.sites if s.kind is SiteKind.SPIKES), key=lambda s: s.position):
            read = evidence.readings(site, "all")
            threshold = site.neuron.v_threshold if site.neuron else None
            rows.append(
                LayerRow(site.name, read[SpikeReading], read.get(DriveReading), read.get(FlowReading), threshold)
            )
        return tuple(rows)

    def _with_earlier(self, verdict: Verdict) -> Verdict:
        """A verdict with what the check found while training went on, dated when it was first found."""
        early = {key: finding for key, finding in self._live.items() if finding.check == verdict.check}
        now = [replace(f, when=early.pop(f.key).when) if f.key in early else f for f in verdict.findings]
        findings = (*now, *early.values())
        return replace(verdict, answer=Answer.FOUND, findings=findings) if findings else verdict

    # -- while training goes on

    def _due(self) -> None:
        """The optimizer is about to step, or a forward without gradients is over: judge, and tell what is new."""
        if not self._schedule.judged(self._probe.clock.update or self._probe.clock.forwards):
            return
        found = Report.of(self._verdicts(live=True)).findings
        self._engine.roll()
        self._probe.refresh()
        for finding in found:
            before = self._live.get(finding.key)
            if before is None or finding.severity > before.severity:
                self._live[finding.key] = finding
                self._tell(finding)

    def _tell(self, finding: Finding) -> None:
        if callable(self._on_finding):
            self._on_finding(finding)
        elif finding.severity > Severity.NOTE:
            if self._on_finding == "raise":
                raise FindingError(warning_text(finding))
            warnings.warn(warning_text(finding), SpikecheckWarning, stacklevel=2)

    def _guard(self, entry: Callable[..., None]) -> Callable[..., None]:
        """The entry point with the clock running, and with our errors kept from the user's training."""

        @wraps(entry)
        def guarded(*args: Any, **kwargs: Any) -> None:
            if self not in _attached:
                return
            self._schedule.enter()
            try:
                entry(*args, **kwargs)
            except (FindingError, SpikecheckWarning):  # the latter where warnings are turned into errors
                raise
            except Exception as error:
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


def attach(
    model: nn.Module,
    *,
    spikes: Iterable[str | nn.Module] = (),
    loss: nn.Module | None = None,
    optimizer: Optimizer | None = None,
    every: int | Literal["auto"] = "auto",
    budget: float = 0.02,
    on_finding: OnFinding = "warn",
    ignore: Iterable[str] = (),
) -> Monitor:
    """Watch a model; nothing else changes in the script.

    Args:
        model: the spiking network. It is not changed: `detach()` takes every hook off again.
        spikes: names or modules of spiking layers that are not found by themselves.
        loss: the criterion, where it is a module whose loss torch.nn does not compute.
        optimizer: the one to watch, where several train the model.
        every: look at each so-many-th forward; "auto" looks at the first 64, then as often as the budget allows.
        budget: the share of the run's time that spikecheck may take with every="auto".
        on_finding: "warn" gives a SpikecheckWarning the first time that a check fires at a site; "raise" judges at every update and
            raises FindingError in the step where it happened; a callable is given each Finding.
        ignore: ids ("SPK203"), beginnings of ids ("SPK2") or slugs ("dead-layer"), with ":layer" for one site alone.

    Returns:
        The monitor. Attaching to a model again replaces its monitor.

    Raises:
        SpikecheckError: an argument cannot be used, or `[tool.spikecheck]` is not understood.
    """
    check_arguments(model, loss, optimizer, every, budget, on_finding)
    settings = Settings.load()
    silenced = [*map(Silenced, [ignore] if isinstance(ignore, str) else ignore)]
    silenced += [Silenced(what, reason) for what, reason in settings.ignore.items()]
    judge = Judge.of(settings.limits, silenced)
    disable(model)
    schedule = Schedule(None if every == "auto" else every, budget, always=on_finding == "raise")
    told = [spikes] if isinstance(spikes, str | nn.Module) else list(spikes)
    return Monitor(model, judge, schedule, on_finding, spikes=told, loss=loss, optimizer=optimizer)


def check_arguments(model: object, loss: object, optimizer: object, every: object, budget: float, on: object) -> None:
    """SpikecheckError where an argument of attach() cannot be used."""
    if not isinstance(model, nn.Module):
        raise SpikecheckError(f"attach() needs a torch.nn.Module, got {type(model).__name__}: pass the model itself")
    if loss is not None and not isinstance(loss, nn.Module):
        raise SpikecheckError(
            f"loss= takes a torch.nn.Module, got {type(loss).__name__}: losses of torch.nn.functional are seen without it"
        )
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise SpikecheckError(f"optimizer= takes a torch.optim.Optimizer, got {type(optimizer).__name__}")
    if every != "auto" and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
        raise SpikecheckError(f'every= takes "auto" or a whole number from 1 on, got {every!r}')
    if not 0 < budget <= 1:
        raise SpikecheckError(f"budget= is a share of the run's time, above 0 and at most 1, got {budget!r}")
    if on not in ("warn", "raise") and not callable(on):
        raise SpikecheckError(f'on_finding= takes "warn", "raise" or a callable, got {on!r}')


def disable(model: nn.Module) -> None:
    """Detach the monitor of a model, if it has one."""
    for monitor in [m for m in _attached if m.model is model]:
        monitor.detach()


def tap(name: str, spikes: Tensor, *, current: Tensor | None = None, potential: Tensor | None = None) -> Tensor:
    """Show the spikes of code that is no module; returns them unchanged, and does nothing while nothing is attached.

    Args:
        name: what the report calls the layer.
        spikes: [batch, neuron...], one call a time step.
        current: what goes into the neurons, and `potential` their membrane potential, of the same shape; both optional.
    """
    if _attached:
        _attached[-1]._probe.tapped(name, spikes, current, potential)
    return spikes
