"""Treat the scripts of the truth benchmark, and write docs/examine.md: `python -m benchmarks.examine --write`.

Results are stored beside this file, so that scripts can be run in several calls: `--only 'norse-*' --seconds 240`.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks.examine.healed import healed
from benchmarks.examine.page import page
from benchmarks.examine.reference import reference_costs
from benchmarks.faults.jobs import cases

RESULTS = Path(__file__).with_name("results.json")
COSTS = Path(__file__).with_name("reference.json")
UNSEEN = Path(__file__).with_name("unseen.json")  # scripts that are not part of the benchmark, examined by hand
PAGE = Path(__file__).resolve().parents[2] / "docs" / "examine.md"


def main() -> None:
    """Treat the chosen scripts that are not stored, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.examine", description=__doc__)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="only scripts whose name matches")
    parser.add_argument("--kind", choices=["faults", "healthy"], help="only scripts with a mistake, or without one")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no script after so many seconds")
    parser.add_argument("--again", action="store_true", help="run scripts that are stored, too")
    parser.add_argument("--part", default="0/1", help="every n-th script: 0/3, 1/3, 2/3")
    parser.add_argument("--reference", action="store_true", help="measure the experiments on the reference model")
    parser.add_argument("--write", action="store_true", help="write docs/examine.md")
    chosen = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    commit = subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=PAGE.parent, text=True).strip()
    start, (part, parts) = time.monotonic(), map(int, chosen.part.split("/"))
    fitting = [
        case
        for case in cases(None).values()
        if fnmatch(case.name, chosen.only) and case.build is not None
        if chosen.kind is None or (chosen.kind == "healthy") == (case.cause is None)
    ]
    random.Random(0).shuffle(fitting)  # so that those that were run are a fair sample
    for case in fitting[part::parts]:
        if (case.name in results and not chosen.again) or time.monotonic() - start > chosen.seconds:
            continue
        begin = time.monotonic()
        result = results[case.name] = {"commit": commit, **healed(case)}
        clock = time.monotonic() - begin
        sys.stdout.write(f"{case.name}: {result['verdict']}, {result['cure']}, {result['seconds']} s ({clock:.0f} s)\n")
        sys.stdout.flush()
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if chosen.reference:
        COSTS.write_text(json.dumps(reference_costs(), indent=1) + "\n", encoding="utf-8")
    if chosen.write:
        costs = json.loads(COSTS.read_text(encoding="utf-8")) if COSTS.exists() else None
        unseen = json.loads(UNSEEN.read_text(encoding="utf-8"))
        PAGE.write_text(page(results.values(), costs, unseen), encoding="utf-8")


if __name__ == "__main__":
    main()
