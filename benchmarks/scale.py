# ruff: noqa: E501 - lines of a page
"""What watching costs at a size that no test can run: 1 billion parameters, 1,024 ranks, 1 million updates.

`python -m benchmarks.scale` writes docs/scale.md. Networks of the same depth and of growing width are trained on the
CPU, and what is kept, written and read of them is measured. Bytes that depend on the width are sums over neurons or over
parameters, so a straight line through the first two widths gives the others: the third one checks the line. Times hardly
depend on the width, but on the number of layers and the readings of each: the longest of the three is taken. The large
network itself is made on the meta device, where tensors have shapes and no values, to count what it has.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.evidence.evidence import picture_readings
from spikecheck.number_format import number
from spikecheck.ranks.join import joined
from spikecheck.ranks.pack import pack_engine, unpack_engine
from tests.promises.networks import LIF

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
DEPTH, WIDTH, CLASSES, STEPS, BATCH = 60, 4096, 10, 4, 4  # WIDTH of the network that the page is about
WIDTHS = (32, 64, 128)
UPDATES = 12  # of each network
RANKS, ALL_UPDATES = 1024, 1_000_000


class Network(nn.Module):
    """As many hidden layers of as many neurons, each followed by spikes."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(DEPTH)])
        self.spikes = nn.ModuleList([LIF() for _ in range(DEPTH)])
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of spikes [time, batch, width]."""
        for layer, spikes in zip(self.layers, self.spikes, strict=True):
            x = spikes(layer(x))
        logits: Tensor = self.head(x).mean(0)
        return logits


@dataclass(frozen=True)
class Size:
    """What one network has, in bytes and seconds."""

    neurons: int
    parameters: int
    states: int  # bytes of the statistics' states
    file: int  # bytes of what a rank writes
    write: float  # seconds to make and write it
    read: float  # seconds to read it
    add: float  # seconds to add it to others
    report: float  # seconds of a report of one process
    log: float  # bytes of the log per line of a point


def measure(width: int) -> Size:
    """Train a network of this width, and measure what is kept of it."""
    with tempfile.TemporaryDirectory() as folder:
        return measured_in(Path(folder), width)


def measured_in(folder: Path, width: int) -> Size:
    """Return the size of a trained network of this width; its files are written to the folder."""
    torch.manual_seed(0)
    model = Network(width)
    optimizer, log = torch.optim.SGD(model.parameters(), 0.01), folder / "run.jsonl"
    with spikecheck.attach(model, on_finding=lambda finding: None, log=str(log)) as monitor:
        for _ in range(UPDATES):
            x = (torch.rand(STEPS, BATCH, width) < 0.3).float()
            optimizer.zero_grad()
            F.cross_entropy(model(x), torch.randint(CLASSES, (BATCH,))).backward()
            optimizer.step()
    monitor.report()
    engine = monitor._engine.snapshot()
    states = sum(tensor_bytes(pack) for pack in pack_engine(engine))
    file = folder / "state"
    began = time.process_time()
    content = {"evidence": monitor.evidence().state_dict(picture_readings()), "engine": pack_engine(engine)}
    torch.save(content, file)
    written = time.process_time()
    other = unpack_engine(torch.load(file, weights_only=True)["engine"])
    read = time.process_time()
    joined(engine, [other] * 8)
    added = time.process_time()
    monitor.report()
    reported = time.process_time()
    points = [len(line) for line in log.read_text(encoding="utf-8").splitlines() if '"point"' in line]
    return Size(
        DEPTH * width,
        sum(parameter.numel() for parameter in model.parameters()),
        states,
        file.stat().st_size,
        written - began,
        read - written,
        (added - read) / 8,
        reported - added,
        sum(points) / max(1, len(points)),
    )


def tensor_bytes(value: Any) -> int:
    """Return the bytes of all tensors in packed states."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(map(tensor_bytes, value.values()))
    return sum(map(tensor_bytes, value)) if isinstance(value, list) else 0


def extrapolated(sizes: Sequence[Size], name: str, neurons: int) -> float:
    """Return a quantity at so many neurons, from the straight line through the first two sizes."""
    a, b = sizes[0], sizes[1]
    slope = (getattr(b, name) - getattr(a, name)) / (b.neurons - a.neurons)
    return float(getattr(a, name) + slope * (neurons - a.neurons))


def page(sizes: Sequence[Size]) -> str:
    """Return the page."""
    with torch.device("meta"):
        large = Network(WIDTH)
    parameters, neurons = sum(parameter.numel() for parameter in large.parameters()), DEPTH * WIDTH
    at = {name: extrapolated(sizes, name, neurons) for name in ("states", "file")}
    at |= {name: max(getattr(size, name) for size in sizes) for name in ("write", "read", "add", "report")}
    line, third = sizes[0].log, sizes[-1]
    error = abs(extrapolated(sizes, "file", third.neurons) / third.file - 1)
    measured = "\n".join(
        f"| {s.neurons:,} | {s.parameters:,} | {s.states / 1e6:.1f} MB | {s.file / 1e6:.1f} MB | {s.write:.2f} s "
        f"| {s.read:.2f} s | {s.add:.2f} s | {s.report:.2f} s |"
        for s in sizes
    )
    return f"""\
# Scale: {number(parameters, 2)} parameters, {RANKS:,} ranks, {number(float(ALL_UPDATES))} updates

Nobody trained this network here. The figures are computed from networks of the same depth that were, and from the shapes of the large one.
`python -m benchmarks.scale` measures, computes, and writes this page.

The network has {DEPTH} layers of {WIDTH:,} spiking neurons each: {neurons:,} neurons and {parameters:,} parameters.

| what | how much | from |
|---|---|---|
| states of the statistics, per rank | {at["states"] / 1e6:,.0f} MB | a straight line: a fixed number of sums per neuron and layer |
| the same after {ALL_UPDATES:,} updates | the same | no state grows with updates: a test holds it for every statistic |
| while an update is compared (the first 10 of an optimizer, then every 16th) | {parameters * 4 / 1e9:.1f} GB | a copy of the parameters, in 32 bits; released after the update |
| what a rank writes | {at["file"] / 1e6:,.0f} MB, in {at["write"]:,.1f} s of a thread | bytes: a straight line; time: as measured; at most 2% of the time, so every {50 * at["write"]:,.0f} s |
| traffic within a training step | none | nothing is exchanged there |
| one report, of one rank | {at["report"]:,.1f} s | as measured: it depends on the number of layers |
| one report of all {RANKS:,} ranks: read | {RANKS * at["file"] / 1e9:,.1f} GB | one file per rank |
| the same: time | {RANKS * (at["read"] + at["add"]) / 60:,.0f} minutes on one core | read {at["read"]:,.2f} s and add {at["add"]:,.2f} s per rank, one after the other; at most 64 of them are judged one by one |
| the log (`log=`), per point | {line:,.0f} bytes | measured, at {DEPTH} layers |
| the log after {ALL_UPDATES:,} updates | at most 64 MB | it is renamed at 32 MB, in place of the part before |

What this says: memory and the log are no problem at this size, apart from the copy of the parameters. A report of {RANKS:,} ranks is something
to make once, at the end, by a rank that has time. With sharded parameters (FSDP2) there is no copy, since they are not observed.

## What was measured

| neurons | parameters | states | file | write | read | add | report |
|---|---|---|---|---|---|---|---|
{measured}

The line through the first two rows meets the size of the file in the last row within {error:.1%}. Times are processor time of
one core, and hardly depend on the width: the table above takes the longest.
"""


def main() -> None:
    """Measure, and write the page."""
    torch.set_num_threads(1)
    measure(16)  # imports, and what is slow once
    PAGE.write_text(page([measure(width) for width in WIDTHS]), encoding="utf-8")


if __name__ == "__main__":
    main()
