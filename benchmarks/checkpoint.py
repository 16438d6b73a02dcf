"""How fast `spikecheck diagnose` reads a large checkpoint, against plainly reading it, and the memory it takes.

`python -m benchmarks.checkpoint [--size 1000] [--rounds 9]`. What is measured:

- *bytes*: every byte of the file goes into one buffer of a megabyte, and nothing is done with it. Not in the system's
  cache, it is as fast as the disk; in the cache it is a copy into the processor's own, which any use of the bytes makes
  slower.
- *bytes and CRC-32*: the same, and zlib's checksum of each byte. A reader that verifies a checkpoint by one thread
  cannot be faster.
- *whole*: all bytes into memory of their own, as `Path.read_bytes` has it.
- *torch.load*: the weights in memory, as a script reads them. It verifies no checksum.
- *diagnosed*: every byte is verified and counted: extremes, norm, sum, what is not finite, rows of zeros, and the drive
  of every neuron.

Every round runs all of them in turn, in changing order: with the file dropped from the system's cache (as after a
training run elsewhere) and with it in the cache. Reported are the median of the rates and the fastest, the ratio of
either with its quartiles round by round, and seconds of processor, which other programs on the machine change least.
Other programs make the ratios lower: waiting for a disk takes no processor, counting does. The fastest are what is to
be compared in a virtual machine that gives free memory back to its host every other second: whatever is read next
waits for a gigabyte of it, 0.6 s where this was seen, and that comes upon one round or another. Before the file is
dropped it is read twice, so that it is rarer.
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

ROWS, COLUMNS = 4096, 4000  # 66 MB a weight; its rows do not fill megabytes
BLOCK = 1 << 20

Seconds = tuple[float, float]  # by the clock, and of the processor


def write(path: Path, megabytes: int) -> None:
    """A state dict of large weights, each with a bias and the neurons that it drives."""
    content: dict[str, torch.Tensor] = {}
    for layer in range(max(1, round(megabytes * 1e6 / (ROWS * COLUMNS * 4)))):
        content[f"fc{layer}.weight"] = torch.randn(ROWS, COLUMNS) / COLUMNS**0.5
        content[f"fc{layer}.bias"] = torch.zeros(ROWS)
        content[f"lif{layer}.threshold"] = torch.tensor(1.0)
        content[f"lif{layer}.beta"] = torch.tensor(0.9)
    torch.save(content, path)


def in_child(what: Callable[[], object]) -> str:
    """What a process of its own makes of it."""
    read, sent = os.pipe()
    if (child := os.fork()) == 0:
        os.write(sent, str(what()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(read, 100).decode()


def grown(path: Path, small: Path) -> float:
    """Megabytes by which resident memory grows at most."""
    diagnose_file(small, settings=Settings())  # loads the checks
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    diagnose_file(path, settings=Settings())
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def dropped(path: Path) -> None:
    """Ask the system to forget the file's content, and leave the memory that it had ready for it."""
    for _ in range(2):
        forget(path)
        plainly(path)
    forget(path)


def forget(path: Path) -> None:
    """Ask the system to forget the file's content."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def plainly(path: Path, use: Callable[[memoryview], object] = len) -> None:
    """Read the file from end to end."""
    buffer = memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            use(buffer[:count])


def timed(what: Callable[[], object]) -> Seconds:
    """How long it took."""
    clock, processor = time.perf_counter(), time.process_time()
    what()
    return time.perf_counter() - clock, time.process_time() - processor


def ratios(plain: list[Seconds], diagnosed: list[Seconds]) -> str:
    """How many times as fast diagnosing is: of the medians, of the fastest, and round by round the quartiles."""
    low, _, high = statistics.quantiles((a[0] / b[0] for a, b in zip(plain, diagnosed, strict=True)), n=4)
    return f"{median(plain) / median(diagnosed):.2f}, {best(plain) / best(diagnosed):.2f} ({low:.2f} to {high:.2f})"


def median(seconds: list[Seconds]) -> float:
    """The median by the clock."""
    return statistics.median(clock for clock, _ in seconds)


def best(seconds: list[Seconds]) -> float:
    """The fastest by the clock."""
    return min(clock for clock, _ in seconds)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="megabytes")
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    console = Console()
    console.print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder) / "large.pt", Path(folder) / "small.pt"
        in_child(lambda: write(path, asked.size))  # what writing takes is not to be counted as what diagnosing takes
        torch.save({"fc.weight": torch.rand(4, 4)}, small)
        memory = float(in_child(lambda: grown(path, small)))
        ways: dict[str, Callable[[], object]] = {
            "bytes": lambda: plainly(path),
            "bytes and CRC-32": lambda: plainly(path, zlib.crc32),
            "whole": path.read_bytes,
            "torch.load": lambda: torch.load(path, weights_only=True),
            "diagnosed": lambda: diagnose_file(path, settings=Settings()),
        }
        seconds: dict[tuple[str, bool], list[Seconds]] = {(way, cold): [] for way in ways for cold in (True, False)}
        for number in range(asked.rounds):
            for cold in (True, False):
                for way in list(ways) if number % 2 else reversed(ways):
                    dropped(path) if cold else plainly(path)
                    seconds[way, cold].append(timed(ways[way]))
        size = path.stat().st_size / 1e9
    table = Table("median, fastest", "not in cache", "in cache", "processor, in cache", box=None)
    for way in ways:
        own = [seconds[way, cold] for cold in (True, False)]
        rates = [f"{size / median(one):.2f}, {size / best(one):.2f} GB/s" for one in own]
        table.add_row(way, *rates, f"{statistics.median(s[1] for s in own[1]) / size:.2f} s/GB")
    for way in list(ways)[:-1]:
        found = [ratios(seconds[way, cold], seconds["diagnosed", cold]) for cold in (True, False)]
        table.add_row(f"diagnosed / {way}", *found)
    console.print(table)
    console.print(f"{size:.2f} GB, {asked.rounds} rounds; resident memory grew by {memory:.0f} MB")


if __name__ == "__main__":
    main()
