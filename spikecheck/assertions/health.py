"""Assertions with all checks of spikecheck: on a short training of a copy, and on a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from os import PathLike, fspath
from typing import Any

from torch import nn

from spikecheck.accepted import NOTHING, AcceptedFindings
from spikecheck.api import attach
from spikecheck.assertions.failure import UnhealthyError
from spikecheck.assertions.learning import MakeOptimizer, optimizer_for, require_count, scalar
from spikecheck.assertions.watched import Batch, Loss, Reset, isolated_copy, with_target
from spikecheck.checkpoint import diagnose_file
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Severity
from spikecheck.report.format import counted
from spikecheck.report.model import Report
from spikecheck.settings import Settings

RATE = 0.001  # the default learning rate of Adam


def assert_healthy(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    updates: int = 5,
    *,
    fail_on: str = "warning",
    ignore: Iterable[str] = (),
    settings: Settings | Mapping[str, Any] | None = None,
    optimizer: MakeOptimizer | None = None,
    spikes: Iterable[str] = (),
    reset: Reset | None = None,
) -> None:
    """Assert that no check finds anything while a copy trains for a few updates.

    Args:
        model: the network; a copy of it runs, and the model itself does not change.
        batch: (input, target), as a DataLoader yields it.
        loss: called as `loss(output, target)`; returns a tensor with one element.
        updates: optimizer updates on the batch.
        fail_on: "note", "warning" or "error": the lowest severity that fails.
        ignore: as in `attach`: ids of checks, beginnings of ids or slugs.
        settings: as in `attach`: in place of `[tool.spikecheck]` in pyproject.toml.
        optimizer: creates the optimizer, as in `lambda p: torch.optim.SGD(p, lr=0.1)`; by default, Adam with a learning
            rate of 0.001.
        spikes: names of spiking layers that are not detected automatically.
        reset: called with the copy before each forward pass, as the training loop does for models that do not reset
            themselves.

    Raises:
        UnhealthyError: the assertion fails, or no spiking layer was observed; `report` is the whole report.
        SpikecheckError: an argument cannot be used.
    """
    __tracebackhide__ = True
    level = severity(fail_on)
    require_count(updates)
    inputs, target = with_target(batch)
    names = [spikes] if isinstance(spikes, str) else list(spikes)
    with isolated_copy(model, train=True) as model:  # under the name that fixes are written for
        trained = [p for _, p in model.named_parameters() if p.requires_grad]
        stepper = optimizer_for(optimizer, trained, RATE) if trained else None
        with attach(model, spikes=names, every=1, on_finding=quiet, ignore=ignore, settings=settings) as monitor:
            for _ in range(updates):
                if reset is not None:
                    reset(model)
                value = scalar(loss(model(*inputs), target))
                if stepper is None or not value.requires_grad:
                    break
                stepper.zero_grad()
                value.backward()  # type: ignore[no-untyped-call]
                stepper.step()
            report = monitor.report()
    require_healthy(report, level)


def assert_checkpoint_healthy(
    path: str | PathLike[str],
    *,
    fail_on: str = "warning",
    ignore: Iterable[str] = (),
    settings: Settings | Mapping[str, Any] | None = None,
) -> None:
    """Assert that no check finds anything in a checkpoint. No code in the file is run.

    Args:
        path: the checkpoint.
        fail_on: "note", "warning" or "error": the lowest severity that fails.
        ignore: as in `attach`: ids of checks, beginnings of ids or slugs.
        settings: as in `attach`: in place of `[tool.spikecheck]` in pyproject.toml.

    Raises:
        UnhealthyError: the assertion fails, or the file was not checked completely; `report` is the whole report.
        SpikecheckError: the file cannot be read, or an argument cannot be used.
    """
    __tracebackhide__ = True
    level = severity(fail_on)
    chosen = Settings.of(settings)
    ignored = dict.fromkeys([ignore] if isinstance(ignore, str) else ignore, "ignored in this test")
    report = diagnose_file(fspath(path), settings=replace(chosen, ignore={**chosen.ignore, **ignored}))
    require_healthy(report, level)


def quiet(finding: object) -> None:
    """Ignore a finding during training: the report is judged at the end."""


def severity(name: str) -> Severity:
    """Return the severity of this name.

    Raises:
        SpikecheckError: there is no such severity.
    """
    try:
        return Severity.named(name)
    except (KeyError, AttributeError):
        names = ", ".join(level.label for level in Severity)
        raise SpikecheckError(f"fail_on={name!r}: must be one of {names}") from None


def failure(report: Report, level: Severity, accepted: AcceptedFindings = NOTHING, test: str = "") -> str:
    """Return why a test with this report fails, with the whole report; "" if it passes.

    Findings that are accepted for the test do not fail it.

    A run without a spiking layer fails too, and a file that was not checked completely: what was not measured is not
    healthy.
    """
    if not report.layers and not report.subject and not report.findings:
        return "\n".join(["nothing was checked: no spiking layer was observed", *(f"  {one}" for one in report.unseen)])
    findings = accepted.others(report.at_least(level), test)
    if not findings:
        return "\n".join(
            [report.conclusion, *(f"  {one}" for one in report.limits_reached)] if report.limits_reached else ""
        )
    shown = replace(report, cost=None, start_cost=None)  # meaningless for such a short run
    return f"{counted(len(findings), 'finding')} of severity {level.label} or above\n\n{shown}"


def require_healthy(report: Report, level: Severity) -> None:
    """Raise UnhealthyError with the whole report if it has findings of this severity or above."""
    __tracebackhide__ = True
    if text := failure(report, level):
        raise UnhealthyError(text, report)
