"""The page that the results are written to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.examine.healed import HEALED

Result = Mapping[str, Any]

INTRODUCTION = """# Proved treatments

Written by `make bench-examine`. Each script of the [truth benchmark](truth.md) is watched for 40 updates, and then
treated as [`spikecheck.examine`](how-to/examine-a-network.md) treats a network: copies are changed in one way each,
and a treatment counts as proved if the copy learns, beats an untreated copy, and still does after twice the updates.
Accuracies are those on held-out samples after 80 updates: of the untreated copy, of the one with the proved
treatment, and of the same script without its fault. *Healed* means that at least 80% of the difference between the
first and the last is made up. *Cause* says whether the treatment is one that a check of the true cause proposes.
Times are processor seconds of one core, without those of the 40 watched updates. Scripts that were not run are left
out. The treatments and their order were developed on scripts like these, so expect less on others.
"""
LEAST_GAIN = 0.1  # of accuracy: what the fault costs, so that a cure can be told from noise
#: Causes that no change of the model, the loss or the loop takes back.
IN_THE_DATA = frozenset(
    [
        *("dtype_overflow", "empty_input", "input_duplicated", "input_repeated", "input_saturated", "label_in_input"),
        *("label_noise", "label_off_by_one", "labels_constant", "labels_shuffled", "negative_input", "polarity_lost"),
        *("silent_channels", "single_time_step", "time_bins_collapsed", "class_imbalance", "input_scrambled"),
    ]
)


def page(results: Iterable[Result]) -> str:
    """Return the page."""
    known = sorted(results, key=lambda result: result["case"])
    faults = [result for result in known if result["cause"] is not None]
    curable = [result for result in faults if result["cause"] not in IN_THE_DATA]
    in_data = [result for result in faults if result["cause"] in IN_THE_DATA]
    healthy = [result for result in known if result["cause"] is None]
    parts = [INTRODUCTION, figures(curable, in_data, healthy)]
    if curable:
        parts += ["## Faults that code can cure\n", table(curable)]
    if in_data:
        parts += ["## Faults in the data\n", table(in_data)]
    return "\n".join(parts)


def figures(curable: list[Result], in_data: list[Result], healthy: list[Result]) -> str:
    """Return the figures in a few lines."""
    judged = [result for result in curable if gain(result) is not None]
    healed = [result for result in judged if is_healed(result)]
    right = [result for result in healed if result["removes_cause"]]
    sick = [result for result in curable if result["verdict"] == "cured" and is_healed(result) is False]
    seconds = sorted(result["seconds"] for result in [*curable, *in_data])
    offered = [result for result in healthy if result["verdict"] not in ("healthy",) and result["cure"]]
    no_code = [result for result in in_data if result["cure"] is None]
    lines = [
        f"- {len(curable)} faults that code can cure; in {len(judged)} of them the script is right at least 10 "
        "percentage points more often without its fault, so that a cure can be judged.",
        f"- Healed: {share(len(healed), len(judged))}. Healed by a treatment of the true cause: "
        f"{share(len(right), len(judged))}.",
        f"- Called cured, and not healed: {len(sick)}{names(sick)}.",
        f"- Healthy scripts: {len(healthy)}; offered a cure: {len(offered)}{names(offered)}.",
        f"- Faults in the data: {len(in_data)}; no cure offered: {len(no_code)}.",
    ]
    if seconds:
        lines.append(f"- Processor time: median {seconds[len(seconds) // 2]:.0f} s, at most {seconds[-1]:.0f} s.")
    return "\n".join(lines) + "\n"


def names(results: list[Result]) -> str:
    """Return the names of cases in parentheses."""
    return f" ({', '.join(result['case'] for result in results)})" if results else ""


def share(number: int, of: int) -> str:
    """Return a number with its share."""
    return f"{number} of {of} ({number / of:.0%})" if of else "0 of 0"


def gain(result: Result) -> float | None:
    """Return the gain of the twin over the untreated copy; None where it has none to speak of."""
    if result["twin"] is None:
        return None
    difference = float(result["twin"] - (result["untreated"] or 0.0))
    return difference if difference >= LEAST_GAIN else None


def is_healed(result: Result) -> bool | None:
    """Return whether the cure makes up most of what the fault costs; None where that cannot be judged."""
    difference = gain(result)
    if difference is None:
        return None
    return result["treated"] is not None and result["treated"] - (result["untreated"] or 0.0) >= HEALED * difference


def table(results: list[Result]) -> str:
    """Return a line for each script."""
    head = ["script", "untreated", "treated", "without the fault", "proved treatment", "healed", "cause", "tried", "s"]
    rows = [head, ["---"] * len(head), *map(line, results)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows) + "\n"


def line(result: Result) -> list[str]:
    """Return the cells of a script."""
    healed = is_healed(result)
    return [
        result["case"],
        *(percent(result[name]) for name in ("untreated", "treated", "twin")),
        result["cure"] or f"none: {result['verdict']}",
        "-" if healed is None else "yes" if healed else "no",
        "-" if result["removes_cause"] is None else "yes" if result["removes_cause"] else "no",
        str(len(result["tried"])),
        f"{result['seconds']:.0f}",
    ]


def percent(value: float | None) -> str:
    """Return an accuracy."""
    return "-" if value is None else f"{value:.0%}"
