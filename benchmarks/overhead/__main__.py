"""Measure what watching a training costs, and write docs/performance.md: `python -m benchmarks.overhead [--write]`.

Each row runs in a process of its own, in an environment with the peers, which is made beside the project's: they are
installed without their dependencies, so that all rows run on the torch that constraints.txt pins. Results are kept in
a file, so that rows can be measured in several calls: `--only spikecheck`, `--part depth`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.overhead import page
from benchmarks.overhead.networks import FRAMEWORKS, Setting
from benchmarks.overhead.tools import PEERS, TOOLS

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv" / "peers"
RESULTS = ROOT / ".venv" / "overhead.json"
REFERENCE = Setting()
SMALL = Setting(channels=40, hidden=16, steps=10, batch=8)
OURS = ("nothing (control)", "empty hooks", "one sum per tensor", "spikecheck", "spikecheck, every=1")
IN_MEMORY = ("nothing (control)", "spikecheck", "spikecheck, every=1")


@dataclass(frozen=True)
class Row:
    """What one process measures."""

    part: str
    what: str  # time or memory
    setting: Setting
    tool: str
    number: int  # pairs, or steps
    threads: int = 1

    @property
    def key(self) -> str:
        """The name under which the result is kept."""
        return f"{self.part}|{self.what}|{self.setting}|{self.tool}|{self.threads}"


def rows(pairs: int, long: int) -> Iterator[Row]:
    """Yield every row, part by part."""
    for tool in TOOLS:
        yield Row("reference", "time", REFERENCE, tool.name, pairs)
    for tool in OURS:
        yield Row("two threads", "time", REFERENCE, tool, pairs, 2)
    shapes = {
        "width": [replace(REFERENCE, hidden=hidden) for hidden in (64, 1024)],
        "depth": [replace(REFERENCE, depth=depth, steps=25) for depth in (2, 8, 32)],
        "time steps": [replace(REFERENCE, steps=steps) for steps in (25, 1000)],
        "batch": [replace(REFERENCE, batch=batch) for batch in (8, 256)],
        "library": [Setting(framework) for framework in FRAMEWORKS if framework != "snntorch"],
        "small": [SMALL],
    }
    for part, settings in shapes.items():
        for setting in settings:
            for tool in OURS[2:]:
                yield Row(part, "time", setting, tool, pairs * 4 if part == "small" else max(50, pairs // 2))
    for tool in IN_MEMORY:
        yield Row("memory", "memory", REFERENCE, tool, 30)
        yield Row("long run", "memory", SMALL, tool, long)


def environment() -> dict[str, str]:
    """Return the variables of a process that finds the peers, which are installed if they are not yet there."""
    if not ENVIRONMENT.exists():
        constraints = ["--constraint", str(ROOT / "constraints.txt")]
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *constraints]
        subprocess.run([*install, "--target", str(ENVIRONMENT), *PEERS], check=True)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ENVIRONMENT)]), "OMP_NUM_THREADS": "1"}


def run(row: Row, variables: dict[str, str]) -> dict[str, Any]:
    """Measure one row in its process."""
    setting = json.dumps(asdict(row.setting))
    arguments = [row.what, setting, row.tool, str(row.number), str(row.threads)]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.overhead.row", *arguments]
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def import_seconds(variables: dict[str, str]) -> dict[str, float]:
    """Return the seconds that importing takes, the fastest of five processes each."""
    code = "import time; s = time.perf_counter(); {}; print(time.perf_counter() - s)"
    lines = {
        "torch": "import torch",
        "spikecheck": "import spikecheck",
        "spikecheck, attach": "import spikecheck; spikecheck.attach",
    }
    seconds = {}
    for name, line in lines.items():
        command = [sys.executable, "-W", "ignore", "-c", code.format(line)]
        times = [subprocess.run(command, env=variables, capture_output=True, text=True, check=True) for _ in range(5)]
        seconds[name] = min(float(done.stdout) for done in times)
    return seconds


def main() -> None:
    """Measure the rows that were asked for, and print or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=120, help="pairs of training steps per row (default: 120)")
    parser.add_argument("--long", type=int, default=100_000, help="steps of the long run (default: 100,000)")
    parser.add_argument("--part", action="append", help="measure this part alone, such as reference or depth")
    parser.add_argument("--only", help="measure tools whose name begins so")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its plot")
    arguments = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    variables = environment()
    for row in rows(arguments.pairs, arguments.long):
        if arguments.part and row.part not in arguments.part:
            continue
        if not row.tool.startswith(arguments.only or ""):
            continue
        results[row.key] = {**asdict(row), "label": str(row.setting), **run(row, variables)}
        sys.stdout.write(page.line(results[row.key]) + "\n")
        RESULTS.write_text(json.dumps(results, indent=1))
    if not arguments.part or "import" in arguments.part:
        results["import"] = {"part": "import", **import_seconds(variables)}
        RESULTS.write_text(json.dumps(results, indent=1))
    if arguments.write:
        page.write(results, ROOT / "docs")


if __name__ == "__main__":
    main()
