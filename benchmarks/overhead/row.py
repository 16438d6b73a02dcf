"""Measure one row: `python -m benchmarks.overhead.row WHAT SETTING TOOL NUMBER THREADS`.

A network that is watched and its twin train in two processes of their own, which take turns: a tool that replaces
functions of the whole process would slow the twin down, too. A turn is as many steps as take TURN seconds. Each step is
timed in seconds of processor time of its process, since a machine that does something else beside changes the seconds
on the clock more than what is measured.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.overhead.networks import CLASSES, INPUT_RATE, Setting, build

FIRST = 16  # steps that are told apart from the later ones: those that spikecheck measures in full
WARM_UP = 4  # steps of another network of this kind before anything is timed: they allocate memory
TURN = 0.05  # seconds: many times what a process loses that finds the caches filled by the other
CONTROL = "nothing (control)"


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


def train(pipe: Connection, setting: Setting, tool: str, threads: int) -> None:
    """Train in a process of its own: as many steps as `pipe` asks for, each time, until it asks for none."""
    torch.set_num_threads(threads)
    x, y = data(setting)
    other = Run.create(setting)
    warm_up = [other.step(x, y) for _ in range(WARM_UP)]
    run = Run.create(setting)
    with ExitStack() as stack:
        monitor = stack.enter_context(attached(tool, run))
        pipe.send(min(warm_up))
        while steps := pipe.recv():
            seconds = 0.0
            for _ in range(steps):
                with getattr(monitor, "around_step", nullcontext)():
                    seconds += run.step(x, y)
            pipe.send(seconds)


def attached(tool: str, run: Run) -> Any:
    """Return the context in which a tool watches a run; only the process that needs a tool imports any."""
    if tool == CONTROL:
        return nullcontext()
    from benchmarks.overhead.tools import TOOLS

    return next(one.attach for one in TOOLS if one.name == tool)(run.model, run.optimizer)


@contextmanager
def trainer(setting: Setting, tool: str, threads: int) -> Iterator[Connection]:
    """Start a process that trains."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=train, args=(there, setting, tool, threads))
    process.start()
    there.close()
    try:
        yield here
        here.send(0)
    finally:
        process.join()


def measure(setting: Setting, tool: str, pairs: int, threads: int) -> dict[str, Any]:
    """Return the ratios of a row: of all steps, of the first ones, and of the others."""
    turns = []
    with trainer(setting, CONTROL, threads) as alone, trainer(setting, tool, threads) as watched:
        step = alone.recv()
        watched.recv()
        length, done = max(1, round(TURN / step)), 0
        while done < pairs:
            steps = min(length, (FIRST if done < FIRST else pairs) - done)
            seconds = {}
            for pipe in (alone, watched) if len(turns) % 2 else (watched, alone):
                pipe.send(steps)
                seconds[pipe] = pipe.recv()
            turns.append((done, steps, seconds[watched], seconds[alone]))
            done += steps
    parts = {
        "all": turns,
        "start": [turn for turn in turns if turn[0] < FIRST],
        "later": [turn for turn in turns if turn[0] >= FIRST],
    }
    return {
        "bare_ms": 1e3 * median(alone / steps for _, steps, _, alone in turns),
        **shown(setting, tool, pairs, threads),
        **{name: ratios([turn[2:] for turn in part]) for name, part in parts.items() if part},
    }


def shown(setting: Setting, tool: str, steps: int, threads: int) -> dict[str, float | None]:
    """Return the cost that a report shows after as many steps, without a twin, for whose turns its clock would run."""
    torch.set_num_threads(threads)
    x, y = data(setting)
    run = Run.create(setting)
    with attached(tool, run) as monitor:
        if not hasattr(monitor, "report"):
            return {}
        for _ in range(steps):
            run.step(x, y)
        report = monitor.report()
        return {"shown_cost": report.cost, "shown_start_cost": report.start_cost}


def ratios(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return the ratio of the sums, and the median and quartiles of the turns' ratios."""
    each = [watched / alone for watched, alone in pairs]
    low, middle, high = quantiles(each, n=4) if len(each) > 1 else each * 3
    whole = sum(watched for watched, _ in pairs) / sum(alone for _, alone in pairs)
    return {"whole": whole, "low": low, "median": middle, "high": high}


def memory(setting: Setting, tool: str, steps: int) -> dict[str, Any]:
    """Return the highest resident memory of a run, and by how much it grew in the second half of it, in MB."""
    x, y = data(setting)
    run = Run.create(setting)
    with attached(tool, run):
        for _ in range(steps // 2):
            run.step(x, y)
        half = peak()
        for _ in range(steps - steps // 2):
            run.step(x, y)
    return {"peak_mb": peak(), "growth_mb": peak() - half}


def peak() -> float:
    """Return the highest resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure the row, and print it as JSON."""
    what, fields, tool, number, threads = sys.argv[1:]
    setting, number_of_threads = Setting(**json.loads(fields)), int(threads)
    torch.set_num_threads(number_of_threads)
    if what == "time":
        result = measure(setting, tool, int(number), number_of_threads)
    else:
        result = memory(setting, tool, int(number))
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
