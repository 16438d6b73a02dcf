"""The page that the results are written to."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from benchmarks.calibrate.networks import INITIALIZERS, LIBRARIES
from benchmarks.calibrate.training import REFERENCE

INTRODUCTION = """# Calibrated weights

```python
import spikecheck

model = Net()
print(spikecheck.calibrate(model, next(iter(loader))))  # once, before training
```

`calibrate` scales the weights before each spiking layer so that its membrane potential fluctuates up to the threshold
on a batch of your data: silent layers wake up, saturated ones calm down. It is the fluctuation-driven initialization
of J. Rossbroich, J. Gygax and F. Zenke (Neuromorphic Computing and Engineering 2, 2022, 044016), with measured
instead of derived statistics, and works for feed-forward, recurrent and convolutional layers, with batch
normalization between weight and neurons, in all [supported libraries](frameworks.md). Only weights and biases change.

## What it gains

Written by `make bench-calibrate`. Networks of 3 to 20 spiking layers with 100 neurons each, with the default neurons
of each library, learn 20 classes of spike trains with Adam at a learning rate of 0.002. The first line is the
[reference model](reference-model.md), which is recurrent, with its own training on spoken digits. Each cell shows the
accuracy on held-out samples after the last update, and in parentheses after how many updates the accuracy reached half
of the best final accuracy of its line (- means never). Chance is 5%. Lines that were not run are left out.
"""


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page for results by the key of their row."""
    lines: dict[tuple[str, int, int], dict[str, list[Mapping[str, Any]]]] = {}
    for key, result in results.items():
        library, layers, initializer, _, updates = key.split("|")
        cells = lines.setdefault((library, int(layers), int(updates)), {})
        cells.setdefault(initializer, []).append(result)
    order = [REFERENCE, *LIBRARIES]
    rows = sorted(lines.items(), key=lambda item: (order.index(item[0][0]), *item[0][1:]))
    names = [name for name in INITIALIZERS if any(name in cells for _, cells in rows)]
    table = [
        ["library", "layers", "updates", "seeds", *(name.replace("_", " ") for name in names)],
        ["---"] * (4 + len(names)),
    ]
    table += [line(*place, cells, names) for place, cells in rows]
    kinds = [f"- {name.replace('_', ' ')}: {described(INITIALIZERS[name])}" for name in names]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in table)
    return f"{INTRODUCTION}\n{text}\n\n" + "\n".join(kinds) + "\n\n" + summary([cells for _, cells in rows])


def described(function: Any) -> str:
    """Return the docstring of an initializer as the end of a line."""
    return (inspect.getdoc(function) or "").rstrip(".")


def line(
    library: str, layers: int, updates: int, cells: Mapping[str, list[Mapping[str, Any]]], names: list[str]
) -> list[str]:
    """Return one line of the table."""
    best = max(map(final, cells.values()))
    seeds = max(map(len, cells.values()))
    shown = [cell(cells[name], best, updates) if name in cells else "" for name in names]
    return [
        {"hand": "written by hand", REFERENCE: "reference model"}.get(library, library),
        str(layers),
        str(updates),
        str(seeds),
        *shown,
    ]


def final(results: list[Mapping[str, Any]]) -> float:
    """Return the final accuracy, averaged over the seeds."""
    return fmean(result["accuracies"][-1] for result in results)


def cell(results: list[Mapping[str, Any]], best: float, updates: int) -> str:
    """Return final accuracy and the number of updates to half of the best one."""
    curve = [fmean(step) for step in zip(*(result["accuracies"] for result in results), strict=True)]
    every = updates // len(curve)
    half = next((str(every * number) for number, value in enumerate(curve, 1) if value >= best / 2), "-")
    return f"{final(results):.0%} ({half})"


def summary(rows: list[Mapping[str, list[Mapping[str, Any]]]]) -> str:
    """Return in how many lines calibrated weights are the best, and what they cost."""
    whole = [cells for cells in rows if len(cells) == len(INITIALIZERS)]
    if not whole:
        return ""
    margin = 0.02
    best = sum(final(cells["calibrated"]) >= max(map(final, cells.values())) - margin for cells in whole)
    default = sum(final(cells["calibrated"]) >= final(cells["default"]) - margin for cells in whole)
    seconds = max(result["seconds"] for cells in whole for result in cells["calibrated"])
    return (
        f"Of {len(whole)} lines, calibrated weights are at least as good as the default in {default} and as the best "
        f"of all in {best}, within 2 percentage points. `calibrate` took at most {seconds:.0f} s.\n"
    )
