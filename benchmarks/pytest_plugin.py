"""Measure the CPU time that the pytest plugin adds to a run that does not use it, against `-p no:spikecheck`."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = """
import resource, sys, pytest
code = pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", *sys.argv[1:]])
usage = resource.getrusage(resource.RUSAGE_SELF)
print("CPU", usage.ru_utime + usage.ru_stime)
sys.exit(code)
"""
LIMIT_MS = 20


def cpu_ms(folder: Path, *arguments: str) -> float:
    """Return the CPU time of one pytest run in its own process; other processes do not affect it."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    return 1000 * float(run.stdout.rpartition("CPU ")[2])


def main() -> int:
    """Print the median and quartiles of the differences; return 1 if the median exceeds the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pairs", type=int, default=20, help="pairs of runs, with and without the plugin (default: 20)"
    )
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing(): pass\n", encoding="utf-8")
        cpu_ms(folder), cpu_ms(folder, "-p", "no:spikecheck")  # compiled files are written
        off, added = [], []
        for _ in range(pairs):
            without = cpu_ms(folder, "-p", "no:spikecheck")
            off.append(without)
            added.append(cpu_ms(folder) - without)
    low, middle, high = statistics.quantiles(added, n=4)
    print(f"pytest without the plugin: {statistics.median(off):.0f} ms of CPU time, median of {pairs} runs")  # noqa: T201
    print(f"the plugin adds {middle:.1f} ms (quartiles {low:.1f} to {high:.1f}); the limit is {LIMIT_MS}")  # noqa: T201
    return int(middle > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
