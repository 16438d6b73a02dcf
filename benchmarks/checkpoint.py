"""How fast `spikecheck diagnose` reads a large checkpoint, against plainly reading it, and the memory it takes.

`python benchmarks/checkpoint.py [--size 1000] [--rounds 5]`. Every round reads and diagnoses in turn: once with the
file dropped from the system's cache (as after a training run elsewhere), once with it in the cache.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from spikecheck.checkpoint import diagnose_file
from spikecheck.settings import Settings

MATRIX = 4096  # 64 MB a weight
BLOCK = 1 << 20


def write(path: Path, megabytes: int) -> None:
    """A state dict of large weights."""
    count = max(1, round(megabytes * 1e6 / (MATRIX * MATRIX * 4)))
    torch.save({f"layer{i}.weight": torch.randn(MATRIX, MATRIX) / MATRIX**0.5 for i in range(count)}, path)


def dropped(path: Path) -> None:
    """Ask the system to forget the file's content."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def plainly(path: Path) -> None:
    """Read the file from end to end and do nothing with it."""
    buffer = bytearray(BLOCK)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def by_torch(path: Path) -> None:
    """Load the file as a script would."""
    torch.load(path, weights_only=True)


def timed(what: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1000, help="megabytes")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder) / "large.pt", Path(folder) / "small.pt"
        if (child := os.fork()) == 0:  # what writing takes is not to be counted as what diagnosing takes
            write(path, asked.size)
            os._exit(0)
        os.waitpid(child, 0)
        torch.save({"fc.weight": torch.rand(4, 4)}, small)
        diagnose_file(small, settings=Settings())  # loads the checks
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        diagnose_file(path, settings=Settings())
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        ways: dict[str, Callable[[], object]] = {
            "plainly read": lambda: plainly(path),
            "diagnosed": lambda: diagnose_file(path, settings=Settings()),
            "torch.load": lambda: by_torch(path),
        }
        seconds: dict[tuple[str, bool], list[float]] = {(way, cold): [] for way in ways for cold in (True, False)}
        for _ in range(asked.rounds):
            for cold in (True, False):
                for way, run in ways.items():
                    if cold:
                        dropped(path)
                    seconds[way, cold].append(timed(run))
        table = Table("", "not in cache", "in cache", box=None)
        size = path.stat().st_size / 1e9
        for way in ways:
            table.add_row(way, *(f"{size / statistics.median(seconds[way, cold]):.2f} GB/s" for cold in (True, False)))
        ratios = [
            statistics.median(seconds["plainly read", cold]) / statistics.median(seconds["diagnosed", cold])
            for cold in (True, False)
        ]
        table.add_row("diagnosed / plainly read", *(f"{ratio:.2f}" for ratio in ratios))
        start = time.process_time()
        diagnose_file(path, settings=Settings())
        busy = time.process_time() - start
        console = Console()
        console.print(table)
        console.print(
            f"{size:.2f} GB; resident memory grew by {grown:.0f} MB; {size / busy:.2f} GB a second of processor"
        )


if __name__ == "__main__":
    main()
