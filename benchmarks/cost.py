"""Measure the cost of attach: the ratio of training step times with and without spikecheck, in interleaved pairs.

`python benchmarks/cost.py [--pairs 60] [--threads 2]`; benchmarks/README.md describes the method and the network.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass

import snntorch
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

import spikecheck
from spikecheck.probe.schedule import FULL_FIRST

CHANNELS, HIDDEN, CLASSES = 700, 256, 20
STEPS, BATCH = 100, 64
INPUT_RATE = 0.02  # spikes per channel and step; an SHD sample has about 8,000 spikes in 100 bins of 700 channels
WARM_UP_PAIRS = 3  # the first steps allocate memory and load the checks


class TwoLayers(nn.Module):
    """700 -> 256 -> 20, a spiking layer after each linear one; the logits are the mean potential of the last."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(CHANNELS, HIDDEN)
        self.lif1 = snntorch.Leaky(beta=0.9)
        self.fc2 = nn.Linear(HIDDEN, CLASSES)
        self.lif2 = snntorch.Leaky(beta=0.9, reset_mechanism="none")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map spikes [time, batch, channel] to logits [batch, class]."""
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        total = torch.zeros(x.shape[1], CLASSES)
        for frame in x:
            spikes, mem1 = self.lif1(self.fc1(frame), mem1)
            _, mem2 = self.lif2(self.fc2(spikes), mem2)
            total = total + mem2
        return total / len(x)


@dataclass
class Run:
    """A model with its optimizer; `step` trains on one batch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer

    @classmethod
    def create(cls) -> Run:
        """Build the network from a fixed seed, so both runs of a pair do the same arithmetic."""
        torch.manual_seed(0)
        model = TwoLayers()
        return cls(model, torch.optim.Adam(model.parameters(), lr=1e-3))

    def step(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """Train on one batch; return the seconds it took."""
        start = time.perf_counter()
        loss = nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.perf_counter() - start


def measure(every: int | str, pairs: int) -> list[tuple[float, float]]:
    """Return the seconds with and without spikecheck of each pair, without the warm-up."""
    data = torch.Generator().manual_seed(1)
    x = (torch.rand(STEPS, BATCH, CHANNELS, generator=data) < INPUT_RATE).float()
    y = torch.randint(CLASSES, (BATCH,), generator=data)
    bare, watched = Run.create(), Run.create()
    seconds = []
    with spikecheck.attach(watched.model, on_finding=lambda finding: None, every=every):
        for pair in range(WARM_UP_PAIRS + pairs):
            first, second = (bare, watched) if pair % 2 else (watched, bare)
            seconds_of = {id(first): first.step(x, y), id(second): second.step(x, y)}
            seconds.append((seconds_of[id(watched)], seconds_of[id(bare)]))
    return seconds[WARM_UP_PAIRS:]


def main() -> None:
    """Measure all variants and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=120, help="pairs of training steps per variant (default: 120)")
    parser.add_argument("--threads", type=int, default=2, help="number of torch threads (default: 2)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    auto, closely = measure("auto", arguments.pairs), measure(1, arguments.pairs // 2)
    early = FULL_FIRST - WARM_UP_PAIRS
    table = Table(
        "attach", "whole", "median", "middle half", "bare step", title="Step time with spikecheck over without"
    )
    for name, pairs in (
        (f"auto, {len(auto)} steps", auto),
        (f"auto, first {early} of them", auto[:early]),
        ("auto, the others", auto[early:]),
        ("every=1", closely),
    ):
        low, middle, high = statistics.quantiles([watched / bare for watched, bare in pairs], n=4)
        whole = sum(watched for watched, _ in pairs) / sum(bare for _, bare in pairs)
        bare = statistics.median(bare for _, bare in pairs) * 1e3
        table.add_row(name, f"{whole:.3f}", f"{middle:.3f}", f"{low:.3f} .. {high:.3f}", f"{bare:.0f} ms")
    Console().print(table)


if __name__ == "__main__":
    main()
