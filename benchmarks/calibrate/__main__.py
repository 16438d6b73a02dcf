"""Compare calibrated weights with other initializers, and write docs/calibrate.md: `python -m benchmarks.calibrate`.

Results are stored beside this file, so that lines can be run in several calls: `--library norse --layers 3 5`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.calibrate.networks import INITIALIZERS, LIBRARIES
from benchmarks.calibrate.page import page
from benchmarks.calibrate.training import REFERENCE, REFERENCE_UPDATES, Row, trained

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "calibrate.md"


def main() -> None:
    """Run the rows that were asked for and are not stored, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate", description=__doc__)
    networks = [REFERENCE, *LIBRARIES]
    parser.add_argument("--library", nargs="*", default=networks, choices=networks, metavar="NAME")
    parser.add_argument("--layers", nargs="*", type=int, default=[3, 5, 10, 20])
    parser.add_argument("--initializer", nargs="*", default=list(INITIALIZERS), choices=INITIALIZERS, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds (default: 1)")
    parser.add_argument("--updates", type=int, default=100, help="number of updates of a deep network (default: 100)")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no row after so many seconds")
    parser.add_argument("--again", action="store_true", help="run rows that are stored, too")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    start = time.monotonic()
    for row in rows(chosen):
        if (row.key in results and not chosen.again) or time.monotonic() - start > chosen.seconds:
            continue
        results[row.key] = trained(row)
        sys.stdout.write(f"{row.key} {results[row.key]['accuracies'][-1]:.0%}\n")
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if results:
        PAGE.write_text(page(results), encoding="utf-8")


def rows(chosen: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows that were asked for."""
    runs = list(itertools.product(range(chosen.seeds), chosen.initializer))
    if REFERENCE in chosen.library:
        yield from (Row(REFERENCE, 1, initializer, seed, REFERENCE_UPDATES) for seed, initializer in runs)
    libraries = [library for library in chosen.library if library != REFERENCE]
    for layers, library, (seed, initializer) in itertools.product(chosen.layers, libraries, runs):
        yield Row(library, layers, initializer, seed, chosen.updates)


if __name__ == "__main__":
    main()
