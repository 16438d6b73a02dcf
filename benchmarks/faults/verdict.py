"""Run one script with spikecheck attached, without any hint about the case, and record the findings."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

import spikecheck
from spikecheck.finding import Finding, Severity
from spikecheck.report.model import Report

from .script import Script, Training, run

SEED = 0


@dataclass(frozen=True)
class Findings:
    """The findings of a report, each as "SPK203 lif1".

    Attributes:
        causes: the root causes, most severe first.
        alarms: all warnings and errors.
        notes: all notes.
        over: what was found during training and no longer held at its end.
    """

    causes: tuple[str, ...]
    alarms: tuple[str, ...]
    notes: tuple[str, ...]
    over: tuple[str, ...] = ()

    @classmethod
    def of(cls, report: Report) -> Findings:
        """Collect the findings of a report."""
        causes = tuple(named(cause.finding) for cause in report.root_causes)
        alarms = tuple(named(finding) for finding in report.at_least(Severity.WARNING))
        notes = tuple(named(finding) for finding in report.diagnosis.notes)
        return cls(causes, alarms, notes, tuple(map(named, report.history)))

    def include(self, checks: frozenset[str]) -> bool:
        """Return whether a warning, an error or a root cause comes from one of these checks."""
        return any(check_of(finding) in checks for finding in (*self.alarms, *self.causes))

    def rank(self, checks: frozenset[str]) -> int | None:
        """Return the rank (from 1) of the first root cause from these checks, None if there is none."""
        return next((place for place, cause in enumerate(self.causes, 1) if check_of(cause) in checks), None)


@dataclass(frozen=True)
class Outcome:
    """One run of one script."""

    findings: Findings
    training: Training
    seconds: float


def named(finding: Finding) -> str:
    """Return check and site of a finding."""
    return f"{finding.check} {finding.site.name}"


def check_of(text: str) -> str:
    """Return the check's id from a result of `named`."""
    return text.partition(" ")[0]


def watched(model: nn.Module, train: Callable[[], Training]) -> Outcome:
    """Attach to the model with default settings, train, and collect the findings."""
    start = time.perf_counter()
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        training = train()
    return Outcome(Findings.of(monitor.report()), training, time.perf_counter() - start)


def set_up() -> None:
    """Prepare the process: one thread, no warnings, fixed seed."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(SEED)


def judged(build: Callable[[bool], Script], broken: bool) -> Outcome:
    """Build a script with or without its fault and run it with spikecheck attached."""
    set_up()
    script = build(broken)
    return watched(script.model, lambda: run(script))
