"""Examine and treat one script of the truth benchmark, and its twin without the fault."""

from __future__ import annotations

import itertools
import resource
import time
import warnings
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from benchmarks.faults.case import Case
from benchmarks.faults.script import Script, ordinary
from spikecheck import api
from spikecheck.diagnosis import Cause
from spikecheck.examination.healing import Healer
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.subject import MAX_BATCHES, Subject, seed_everything
from spikecheck.examination.trial import run_trial
from spikecheck.finding import Finding
from spikecheck.report.treated import Healing

SECONDS = 300.0  # of the clock, which a busy machine needs; processor time is what is reported
WATCHED = 40  # updates with a monitor, before treatments are chosen
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


def watched(own: Subject) -> tuple[tuple[Cause, ...], tuple[Finding, ...]]:
    """Return the root causes and the notes of a copy that trains with a monitor."""
    own.model.train()
    seed_everything()
    with api.attach(own.model, on_finding=lambda finding: None) as monitor:
        try:
            for batch in own.cycle(WATCHED):
                own.update(batch)
        except (RuntimeError, IndexError, ValueError):
            pass  # the fault of some scripts
    report = monitor.report()
    return tuple(report.root_causes), tuple(report.diagnosis.notes)


def healed(case: Case) -> dict[str, Any]:
    """Return what treatments of a case come to, in plain values."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    assert case.build is not None
    seed_everything()
    subject = subject_of(case.build(case.cause is not None))
    before = processor_seconds()
    causes, notes = run_isolated(watched, subject, seconds=SECONDS).get()
    watching = processor_seconds()
    healing = Healer(subject, causes, notes, time.monotonic() + SECONDS).heal()
    after = processor_seconds()
    twin = twin_accuracy(case) if case.has_twin else None
    return {
        "case": case.name,
        "cause": case.cause,
        "roots": [cause.finding.check for cause in causes],
        "verdict": healing.verdict.value,
        "text": healing.text,
        "cure": None if healing.cure is None else healing.cure.name,
        "named_by": [] if healing.cure is None else list(healing.cure.named_by),
        "removes_cause": removes_cause(healing, case),
        "untreated": None if healing.untreated is None else healing.untreated.accuracy,
        "treated": accuracy_of(healing),
        "twin": twin,
        "tried": [row.name for row in healing.rows],
        "watch_seconds": round(watching - before, 1),
        "seconds": round(after - watching, 1),
        "proof": None if healing.cure is None else asdict(healing.cure)["p_lasts"],
    }


def twin_accuracy(case: Case) -> float | None:
    """Return the accuracy of the script without its fault, trained as the copies are."""
    assert case.build is not None
    seed_everything()
    return run_trial(subject_of(case.build(False)), seconds=SECONDS).accuracy


def accuracy_of(healing: Healing) -> float | None:
    """Return the accuracy of the copy with the cure."""
    return None if healing.cure is None or healing.cure.copy is None else healing.cure.copy.accuracy


def removes_cause(healing: Healing, case: Case) -> bool | None:
    """Return whether the cure is one that a check of the true cause names."""
    if healing.cure is None:
        return None
    from spikecheck.examination.treatments.base import treatments

    parts = healing.cure.name.split(" + ")
    named = {check for one in treatments() if one.name in parts for check in one.named_by}
    advised = {check for check in case.checks if f"the code that {check} " in healing.cure.name}
    return bool((named & case.checks) | advised)


def processor_seconds() -> float:
    """Return the processor time of all finished children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
