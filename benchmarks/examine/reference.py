"""What the experiments cost on the reference model: as it is, and with a fault, so that every experiment is made."""

from __future__ import annotations

import time
import warnings
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.examine.healed import processor_seconds
from spikecheck.checks.judge import Judge
from spikecheck.examination.run import Examination
from spikecheck.examination.subject import MAX_BATCHES, Subject, seed_everything
from spikecheck.model_run.batches import read_batches
from spikecheck.reference.model import build
from spikecheck.report.examined import ExperimentOutcome
from spikecheck.settings import Settings


def reference_costs() -> dict[str, Any]:
    """Return the processor seconds of the experiments, and how many were made, for a healthy and a sick copy."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    return {"healthy": cost(3e-3), "sick": cost(0.0)}


def cost(rate: float) -> dict[str, Any]:
    """Return what the experiments cost with a learning rate."""
    seed_everything()
    model = build()
    batches = read_batches("reference")[:MAX_BATCHES]
    subject = Subject.of(model, batches, F.cross_entropy, torch.optim.Adam(model.parameters(), lr=rate))
    before = processor_seconds()
    examination = Examination(subject, Judge.of(Settings.of(None), ()), time.monotonic() + 3600, lambda name: None)
    examination.report()
    done = [row for row in examination.rows if row.outcome is ExperimentOutcome.DONE]
    return {"seconds": round(processor_seconds() - before, 1), "made": len(done), "of": len(examination.rows)}
