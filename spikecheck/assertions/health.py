"""Assertions by every check that spikecheck has: on a short training of a copy, and on a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from os import PathLike, fspath
from typing import Any

from torch import nn

from spikecheck.api import attach
from spikecheck.assertions.failure import UnhealthyError
from spikecheck.assertions.learning import MakeOptimizer, counted, made_by, scalar
from spikecheck.assertions.watched import Batch, Loss, Reset, apart, with_target
from spikecheck.checkpoint import diagnose_file
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Severity
from spikecheck.report.model import Report
from spikecheck.settings import Settings

RATE = 0.001  # Adam's default


def assert_healthy(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    steps: int = 5,
    *,
    fail_on: str = "warning",
    ignore: Iterable[str] = (),
    settings: Settings | Mapping[str, Any] | None = None,
    optimizer: MakeOptimizer | None = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """A copy of the model trains for a few steps under `attach`; no check finds anything at or above `fail_on`.

    `ignore` and `settings` are those of `attach`.
    """
    __tracebackhide__ = True
    level = severity(fail_on)
    counted(steps)
    inputs, target = with_target(batch)
    told = [spikes] if isinstance(spikes, str) else list(spikes)
    with apart(model, train=True) as twin:
        trained = [p for p in twin.parameters() if p.requires_grad]
        made = made_by(optimizer, trained, RATE) if trained else None
        with attach(twin, spikes=told, every=1, on_finding=quiet, ignore=ignore, settings=settings) as monitor:
            for _ in range(steps):
                if reset is not None:
                    reset(twin)
                value = scalar(loss(twin(*inputs), target))
                if made is None or not value.requires_grad:
                    break
                made.zero_grad()
                value.backward()  # type: ignore[no-untyped-call]
                made.step()
            report = monitor.report()
    judged(report, level)


def assert_checkpoint_healthy(
    path: str | PathLike[str],
    *,
    fail_on: str = "warning",
    ignore: Iterable[str] = (),
    settings: Settings | Mapping[str, Any] | None = None,
) -> None:
    """No check finds anything at or above `fail_on` in a checkpoint; nothing that the file carries is run.

    `ignore` and `settings` are those of `attach`.
    """
    __tracebackhide__ = True
    level = severity(fail_on)
    chosen = Settings.of(settings)
    quieted = dict.fromkeys([ignore] if isinstance(ignore, str) else ignore, "ignored in this test")
    judged(diagnose_file(fspath(path), settings=replace(chosen, ignore={**chosen.ignore, **quieted})), level)


def quiet(finding: object) -> None:
    """Say nothing while it trains: the whole report is judged at its end."""


def severity(name: str) -> Severity:
    """The level of this name; SpikecheckError where there is none."""
    try:
        return Severity.named(name)
    except (KeyError, AttributeError):
        names = ", ".join(level.label for level in Severity)
        raise SpikecheckError(f"fail_on={name!r}: the levels are {names}") from None


def trouble(report: Report, level: Severity) -> str:
    """Why a test on this report fails, with all the evidence; empty where it passes.

    A run in which no spiking layer was seen fails too: what was not measured is not healthy.
    """
    if not report.layers and not report.subject and not report.findings:
        return "\n".join(["nothing was judged: no spiking layer was seen", *(f"  {why}" for why in report.unseen)])
    found = report.at_least(level)
    if not found:
        return ""
    plural = "" if len(found) == 1 else "s"
    shown = replace(report, cost=None)  # of a run this short, it says nothing
    return f"{len(found)} finding{plural} at or above {level.label}\n\n{shown}"


def judged(report: Report, level: Severity) -> None:
    """Raise with the whole report where something in it is at or above the level."""
    __tracebackhide__ = True
    if why := trouble(report, level):
        raise UnhealthyError(why, report)
