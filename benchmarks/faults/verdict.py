"""Runs one script with spikecheck attached, which knows nothing of the case, and keeps what it said."""

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
class Said:
    """What a report says, without its text.

    Attributes:
        causes: the root causes, the gravest first, each as "SPK203 lif1".
        alarms: every warning and error, in the same form.
        notes: what is said as a note, in the same form.
    """

    causes: tuple[str, ...]
    alarms: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, report: Report) -> Said:
        """Take what counts from a report."""
        causes = tuple(named(cause.finding) for cause in report.root_causes)
        alarms = tuple(named(finding) for finding in report.at_least(Severity.WARNING))
        return cls(causes, alarms, tuple(named(finding) for finding in report.diagnosis.notes))

    def found(self, checks: frozenset[str]) -> bool:
        """Does a warning, an error or a root cause come from one of these checks?"""
        return any(check_of(said) in checks for said in (*self.alarms, *self.causes))

    def rank(self, checks: frozenset[str]) -> int | None:
        """The place among the root causes of the first one from these checks, from 1."""
        return next((place for place, cause in enumerate(self.causes, 1) if check_of(cause) in checks), None)


@dataclass(frozen=True)
class Outcome:
    """One run of one script."""

    said: Said
    training: Training
    seconds: float


def named(finding: Finding) -> str:
    """The check and the place of a finding."""
    return f"{finding.check} {finding.site.name}"


def check_of(text: str) -> str:
    """The check's id in what `named` gives."""
    return text.partition(" ")[0]


def watched(model: nn.Module, train: Callable[[], Training]) -> Outcome:
    """Attach to the model as a user would who knows nothing, train, and take the report."""
    start = time.perf_counter()
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        training = train()
    return Outcome(Said.of(monitor.report()), training, time.perf_counter() - start)


def quietly() -> None:
    """Prepare the process: one thread, the libraries' warnings off, one seed."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(SEED)


def judged(build: Callable[[bool], Script], broken: bool) -> Outcome:
    """Build a script, with its mistake or without, and run it watched."""
    quietly()
    script = build(broken)
    return watched(script.model, lambda: run(script))
