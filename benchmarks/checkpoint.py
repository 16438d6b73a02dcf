"""Measure how fast `spikecheck diagnose` reads a large checkpoint, compared with plain reading, and its memory.

`python -m benchmarks.checkpoint [--size 1000] [--rounds 9]`. The rows of the table:

- *bytes*: read every byte into one buffer of 1 MiB and do nothing with it. From disk this is as fast as the disk; from
  the system's cache it is a copy into the CPU cache.
- *bytes and CRC-32*: the same, plus zlib's checksum of every byte: the lower bound for one thread that verifies a file.
- *whole*: read all bytes into new memory, as `Path.read_bytes` does.
- *torch.load*: load the weights, as a script does. It verifies no checksum.
- *diagnosed*: verify every byte and compute all statistics: extremes, norm, sum, non-finite values, zero rows, and the
  input of every neuron.

Each round runs all rows in alternating order, with the file dropped from the system's cache and with the file in it.
The table gives the median and the fastest rate, the ratio of both with the quartiles over the rounds, and CPU seconds,
which other programs affect least. Other programs lower the ratios, because diagnosing needs the CPU and waiting for a
disk does not. In a virtual machine that returns free memory to its host, compare the fastest rates: now and then a
reader has to wait for a gigabyte of memory (0.6 s, in one measurement). Reading the file twice before it is dropped
from the cache makes this rarer.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from spikecheck.checkpoint import diagnose_file
from spikecheck.settings import Settings

ROWS, COLUMNS = 4096, 4000  # 66 MB per weight; rows do not align with megabytes
BLOCK = 1 << 20

Seconds = tuple[float, float]  # wall clock and CPU


def write(path: Path, megabytes: int) -> None:
    """Write a state dict of large weights, each with a bias and the parameters of its neurons."""
    content: dict[str, torch.Tensor] = {}
    for layer in range(max(1, round(megabytes * 1e6 / (ROWS * COLUMNS * 4)))):
        content[f"fc{layer}.weight"] = torch.randn(ROWS, COLUMNS) / COLUMNS**0.5
        content[f"fc{layer}.bias"] = torch.zeros(ROWS)
        content[f"lif{layer}.threshold"] = torch.tensor(1.0)
        content[f"lif{layer}.beta"] = torch.tensor(0.9)
    torch.save(content, path)


def in_child(what: Callable[[], object]) -> str:
    """Run a function in a child process and return its result as text."""
    read, sent = os.pipe()
    if (child := os.fork()) == 0:
        os.write(sent, str(what()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(read, 100).decode()


def memory_growth(path: Path, small: Path) -> float:
    """Return the growth of peak resident memory in megabytes."""
    diagnose_file(small, settings=Settings())  # loads the checks
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    diagnose_file(path, settings=Settings())
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def drop(path: Path) -> None:
    """Drop the file from the system's cache, with free memory available for reading it."""
    for _ in range(2):
        forget(path)
        read_bytes(path)
    forget(path)


def forget(path: Path) -> None:
    """Ask the system to drop the file from its cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_bytes(path: Path, use: Callable[[memoryview], object] = len) -> None:
    """Read the whole file into one buffer."""
    buffer = memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            use(buffer[:count])


def timed(what: Callable[[], object]) -> Seconds:
    """Return the wall clock and CPU seconds of a call."""
    clock, cpu = time.perf_counter(), time.process_time()
    what()
    return time.perf_counter() - clock, time.process_time() - cpu


def ratios(plain: list[Seconds], diagnosed: list[Seconds]) -> str:
    """Format the speed ratio: of the medians, of the fastest, and its quartiles over the rounds."""
    low, _, high = statistics.quantiles((a[0] / b[0] for a, b in zip(plain, diagnosed, strict=True)), n=4)
    return f"{median(plain) / median(diagnosed):.2f}, {best(plain) / best(diagnosed):.2f} ({low:.2f} to {high:.2f})"


def median(seconds: list[Seconds]) -> float:
    """Return the median wall clock time."""
    return statistics.median(clock for clock, _ in seconds)


def best(seconds: list[Seconds]) -> float:
    """Return the fastest wall clock time."""
    return min(clock for clock, _ in seconds)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="size of the checkpoint in megabytes (default: 1000)")
    parser.add_argument("--rounds", type=int, default=9, help="number of rounds (default: 9)")
    arguments = parser.parse_args()
    console = Console()
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder) / "large.pt", Path(folder) / "small.pt"
        in_child(lambda: write(path, arguments.size))  # in a child process, so its memory is not counted
        torch.save({"fc.weight": torch.rand(4, 4)}, small)
        memory = float(in_child(lambda: memory_growth(path, small)))
        ways: dict[str, Callable[[], object]] = {
            "bytes": lambda: read_bytes(path),
            "bytes and CRC-32": lambda: read_bytes(path, zlib.crc32),
            "whole": path.read_bytes,
            "torch.load": lambda: torch.load(path, weights_only=True),
            "diagnosed": lambda: diagnose_file(path, settings=Settings()),
        }
        seconds: dict[tuple[str, bool], list[Seconds]] = {(way, cold): [] for way in ways for cold in (True, False)}
        for number in range(arguments.rounds):
            for cold in (True, False):
                for way in list(ways) if number % 2 else reversed(ways):
                    drop(path) if cold else read_bytes(path)
                    seconds[way, cold].append(timed(ways[way]))
        size = path.stat().st_size / 1e9
    table = Table("median, fastest", "not in cache", "in cache", "CPU time, in cache", box=None)
    for way in ways:
        own = [seconds[way, cold] for cold in (True, False)]
        rates = [f"{size / median(one):.2f}, {size / best(one):.2f} GB/s" for one in own]
        table.add_row(way, *rates, f"{statistics.median(s[1] for s in own[1]) / size:.2f} s/GB")
    for way in list(ways)[:-1]:
        columns = [ratios(seconds[way, cold], seconds["diagnosed", cold]) for cold in (True, False)]
        table.add_row(f"diagnosed / {way}", *columns)
    console.print(table)
    console.print(f"{size:.2f} GB, {arguments.rounds} rounds; resident memory grew by {memory:.0f} MB")


if __name__ == "__main__":
    main()
