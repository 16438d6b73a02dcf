"""Measure one row in a process of its own: `python -m benchmarks.overhead.row WHAT SETTING TOOL NUMBER THREADS`.

A row is pairs of training steps in alternating order, one on a network that is watched and one on its twin. Each step
is timed in seconds of processor time of the whole process, since a machine that does something else beside changes
the seconds on the clock more than what is measured.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.overhead.networks import CLASSES, INPUT_RATE, Setting, build
from benchmarks.overhead.tools import TOOLS
from spikecheck.probe.schedule import FULL_FIRST

WARM_UP = 2  # steps of the bare twin before anything is timed: they allocate memory


@dataclass
class Run:
    """A network with its optimizer; `step` trains on one batch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer

    @classmethod
    def create(cls, setting: Setting) -> Run:
        """Build the network from a fixed seed, so that both runs of a pair do the same arithmetic."""
        model = build(setting)
        return cls(model, torch.optim.Adam(model.parameters(), lr=1e-3))

    def step(self, x: Tensor, y: Tensor) -> float:
        """Train on one batch; return the processor time it took."""
        start = time.process_time()
        loss = nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.process_time() - start


def data(setting: Setting) -> tuple[Tensor, Tensor]:
    """Return one batch of random spikes and labels."""
    made = torch.Generator().manual_seed(1)
    x = (torch.rand(setting.steps, setting.batch, setting.channels, generator=made) < INPUT_RATE).float()
    return x, torch.randint(CLASSES, (setting.batch,), generator=made)


def measure(setting: Setting, tool: str, pairs: int) -> dict[str, Any]:
    """Return the ratios of a row: of all pairs, of the first ones, and of the others."""
    attach = next(one.attach for one in TOOLS if one.name == tool)
    x, y = data(setting)
    bare, watched = Run.create(setting), Run.create(setting)
    for _ in range(WARM_UP):
        bare.step(x, y)
    rows = []
    with attach(watched.model, watched.optimizer) as monitor:
        for pair in range(pairs):
            alone = bare.step(x, y) if pair % 2 else None
            with getattr(monitor, "around_step", nullcontext)():
                seconds = watched.step(x, y)
            rows.append((seconds, bare.step(x, y) if alone is None else alone))
        report = getattr(monitor, "report", lambda: None)()
    parts = {"all": rows, "start": rows[:FULL_FIRST], "later": rows[FULL_FIRST:]}
    return {
        "bare_ms": 1e3 * median(alone for _, alone in rows),
        "shown_cost": getattr(report, "cost", None),
        **{name: ratios(part) for name, part in parts.items() if len(part) > 2},
    }


def ratios(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return the ratio of the sums, and the median and quartiles of the pairs' ratios."""
    low, middle, high = quantiles([watched / alone for watched, alone in pairs], n=4)
    whole = sum(watched for watched, _ in pairs) / sum(alone for _, alone in pairs)
    return {"whole": whole, "low": low, "median": middle, "high": high}


def memory(setting: Setting, tool: str, steps: int) -> dict[str, Any]:
    """Return the highest resident memory of a run, and by how much it grew in the second half of it, in MB."""
    attach = next(one.attach for one in TOOLS if one.name == tool)
    x, y = data(setting)
    run = Run.create(setting)
    with attach(run.model, run.optimizer):
        for _ in range(steps // 2):
            run.step(x, y)
        half = peak()
        for _ in range(steps - steps // 2):
            run.step(x, y)
    return {"peak_mb": peak(), "growth_mb": peak() - half}


def peak() -> float:
    """Return the highest resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    what, setting, tool, number, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    call = measure if what == "time" else memory
    sys.stdout.write(json.dumps(call(Setting(**json.loads(setting)), tool, int(number))))
