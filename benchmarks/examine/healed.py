"""Examine and treat one script of the truth benchmark, and its twin without the fault."""

from __future__ import annotations

import itertools
import resource
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.faults.case import Case
from benchmarks.faults.script import Script, ordinary
from spikecheck.checks.judge import Judge
from spikecheck.examination.experiments.base import experiments
from spikecheck.examination.healing import Healer
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.run import Examination
from spikecheck.examination.subject import MAX_BATCHES, Subject, seed_everything
from spikecheck.examination.treatments.base import Treatment, treatments
from spikecheck.examination.trial import UPDATES, Trial, run_trial, treated, up_to_twice, update
from spikecheck.finding import Severity
from spikecheck.report.treated import Healing, treatment_result
from spikecheck.settings import Settings

SECONDS = 600.0  # of the clock, which a busy machine needs; processor time is what is reported
ROOT = f"{Path(__file__).resolve().parents[2]}/"
COMPARED = 2 * UPDATES  # updates after which copies are compared
FULL = 8 * UPDATES  # updates of a full training: twice as many as the longest trial has
HEALED = 0.8  # of the twin's gain over the untreated copy


def subject_of(script: Script) -> Subject:
    """Return a script as `spikecheck.examine` gets it: batches, loss, optimizer and its own training step."""
    batches = [script.prepare(x, script.relabel(y)) for x, y in itertools.islice(script.data, MAX_BATCHES)]

    def step(x: Tensor, y: Tensor) -> Tensor:
        script.begin(script.model)
        loss = (script.update or ordinary)(script, x, y)
        if script.schedule is not None:
            script.schedule.step()
        return loss

    return Subject.of(script.model, batches, script.loss, script.used, step=step)


def healed(case: Case) -> dict[str, Any]:
    """Return what an examination of a case comes to, in plain values."""
    assert case.build is not None
    build = case.build
    twin = (lambda: subject_of(build(False))) if case.has_twin else None
    result = examined(lambda: subject_of(build(case.cause is not None)), twin, case.checks)
    return {"case": case.name, "cause": case.cause, "reported": case.reported, **result}


def examined(
    build: Callable[[], Subject], build_twin: Callable[[], Subject] | None, checks: frozenset[str]
) -> dict[str, Any]:
    """Examine a subject as `spikecheck.examine` does, and compare the cure with the twin without the fault."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    seed_everything()
    subject, before = build(), processor_seconds()
    until = time.monotonic() + SECONDS
    chosen = [one for one in experiments() if not one.supports_only]
    report = Examination(subject, Judge.of(Settings.of(None), ()), until, lambda name: None, chosen).report()
    middle = processor_seconds()
    healer = Healer(subject, report.root_causes, report.diagnosis.notes, time.monotonic() + SECONDS)
    healing = healer.heal()
    after = processor_seconds()
    cured = (one for one in healer.tried if healing.cure is not None and one.proved and one.name == healing.cure.name)
    best = next(cured, None)
    if best is not None and best.trial.updates > UPDATES:  # copies are compared after the same updates everywhere
        untreated = accuracy_of(healer.untreated_for_longer)
    else:
        untreated = None if healing.untreated is None else healing.untreated.accuracy
    result = {
        "roots": [cause.finding.check for cause in report.root_causes],
        "notes": [finding.check for finding in report.diagnosis.notes],
        "alarms": [finding.check for finding in report.at_least(Severity.WARNING)],
        "verdict": healing.verdict.value,
        "text": healing.text,
        "cure": None if healing.cure is None else healing.cure.name,
        "named_by": [] if healing.cure is None else list(healing.cure.named_by),
        "removes_cause": removes_cause(healing, checks),
        "untreated": untreated,
        "treated": None if best is None else accuracy_of(best.trial),
        "tried": [[row.name, treatment_result(row).replace(ROOT, "")] for row in healing.rows],
        "experiment_seconds": round(middle - before, 1),
        "seconds": round(after - before, 1),
    }
    if build_twin is not None:
        seed_everything()
        twin = build_twin()
        result["twin"] = run_trial(twin, goes_on=up_to_twice, seconds=SECONDS).accuracy
        if best is not None:
            result["full"] = accuracy_after(subject, best.chosen, healer.checks)
            result["twin_full"] = accuracy_after(twin)
    return result


def accuracy_after(subject: Subject, chosen: Sequence[Treatment] = (), checks: tuple[str, ...] = ()) -> float | None:
    """Return the accuracy of a copy, treated or not, after a full training; None where it raises."""

    def train(own: Subject) -> float | None:
        patient, _ = treated(own, chosen, checks)
        for batch in own.cycle(FULL):
            update(patient, batch)
        return own.evaluate().accuracy

    return run_isolated(train, subject, seconds=SECONDS).value


def accuracy_of(trial: Trial) -> float | None:
    """Return the accuracy where the copies are compared."""
    evaluation = trial.evaluated_after(COMPARED)
    return None if evaluation is None else evaluation.accuracy


def removes_cause(healing: Healing, checks: frozenset[str]) -> bool | None:
    """Return whether the cure is one that a check of the true cause names."""
    if healing.cure is None:
        return None
    parts = healing.cure.name.split(" + ")
    named = {check for one in treatments() if one.name in parts for check in one.named_by}
    advised = {check for check in checks if f"the code that {check} " in healing.cure.name}
    return bool((named & checks) | advised)


def processor_seconds() -> float:
    """Return the processor time of all finished children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
