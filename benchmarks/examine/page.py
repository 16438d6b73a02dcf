"""The page that the results are written to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.examine.healed import FULL, HEALED
from benchmarks.faults.scores import with_interval

Result = Mapping[str, Any]
Unseen = Mapping[str, Any]  # a set of scripts: its text, and for each the mistake with the results at first and since

INTRODUCTION = """# Proved treatments

Written by `make bench-examine`. Each script of the [truth benchmark](truth.md) is examined as
[`spikecheck.examine`](how-to/examine-a-network.md) examines a network: it is watched for 64 updates, experiments are
made, and copies are changed in one way each. A treatment counts as proved if the copy learns, beats an untreated copy,
and still does after two and four times the updates. Experiments that only support others are left out here.

Accuracies are those on held-out samples after 80 updates: of the untreated copy, of the one with the proved treatment,
and of the same script without its fault. *Healed* means that at least 80% of the difference between the first and the
last is made up. *Cause* says whether the treatment is one that a check of the true cause proposes. Times are processor
seconds of one core for the whole examination. Each figure has its 95% confidence interval (Clopper and Pearson).

**The treatments and their order were developed on these scripts, so expect less on others**: what they come to on
faults that nobody had seen is [below](#faults-that-the-treatments-were-not-developed-on).
"""
LEAST_GAIN = 0.1  # of accuracy: what the fault costs, so that a cure can be told from noise
#: Causes that no change of the model, the loss or the loop takes back. A difference of events that is computed in uint8
#: is none of them: it is made by code, and -1, which becomes 255, can still be told from 1.
IN_THE_DATA = frozenset(
    [
        *("empty_input", "input_duplicated", "input_repeated", "input_saturated"),
        *("label_noise", "label_off_by_one", "labels_constant", "labels_shuffled", "negative_input", "polarity_lost"),
        *("silent_channels", "single_time_step", "time_bins_collapsed", "class_imbalance", "input_scrambled"),
        *("constant_prediction",),  # here: most labels are overwritten
    ]
)


def page(results: Iterable[Result], costs: Mapping[str, Any] | None = None, unseen: Sequence[Unseen] = ()) -> str:
    """Return the page; with what the experiments cost on the reference model, and what came of unseen faults."""
    known = sorted(results, key=lambda result: result["case"])
    faults = [result for result in known if result["cause"] is not None]
    curable = [result for result in faults if result["cause"] not in IN_THE_DATA]
    in_data = [result for result in faults if result["cause"] in IN_THE_DATA]
    healthy = [result for result in known if result["cause"] is None]
    cost = "" if costs is None else cost_line(costs)
    parts = [INTRODUCTION, versions(known), figures(curable, in_data, healthy) + cost]
    if curable:
        parts += ["## Faults that code can cure\n", table(curable)]
    if unseen:
        parts.append(unseen_text(unseen))
    if in_data:
        parts += ["## Faults in the data\n", table(in_data)]
    if healthy:
        parts += ["## Healthy scripts\n", healthy_text(healthy)]
    return "\n".join([*parts, "## What was tried\n", trials([*curable, *in_data])])


def versions(results: Sequence[Result]) -> str:
    """Return which versions of the code the results come from: they are not measured again with each change."""
    counts = Counter(result.get("commit") for result in results)
    named = [f"{number} from commit {commit}" for commit, number in counts.most_common() if commit is not None]
    older = [f"{counts[None]} from earlier ones"] if None in counts else []
    if len([*named, *older]) == 1:
        return f"All results are from one version of the code: {', '.join([*named, *older])}.\n"
    return f"Results come from several versions of the code: {', '.join([*named, *older])}.\n"


def figures(curable: list[Result], in_data: list[Result], healthy: list[Result]) -> str:
    """Return the figures in a few lines."""
    reported = [result for result in curable if result["reported"]]
    sick = [result for result in curable if is_still_sick(result)]
    seconds = sorted(result["seconds"] for result in [*curable, *in_data])
    cured = [result for result in curable if is_still_sick(result) is not None]
    offered = [result for result in healthy if result["cure"]]
    accused = [result for result in healthy if any(check.startswith("SPK6") for check in result["alarms"])]
    no_code = [result for result in in_data if result["cure"] is None]
    lines = [
        f"- {len(curable)} faults that code can cure; in {len(judged(curable))} of them the script is right at least "
        "10 percentage points more often without its fault, so that a cure can be judged.",
        *healed_lines(judged(curable), ""),
        *healed_lines(judged(reported), "Of those that were reproduced from public reports: "),
        f"- Called cured, and still sick after a full training of {FULL} updates: "
        f"{with_interval(len(sick), len(cured))}{names(sick)}.",
        f"- Healthy scripts that are offered a cure: {with_interval(len(offered), len(healthy))}{names(offered)}.",
        f"- Healthy scripts that an experiment accuses: {with_interval(len(accused), len(healthy))}{names(accused)}.",
        f"- Faults in the data: {len(in_data)}; no cure offered: {len(no_code)}.",
    ]
    if seconds:
        middle = seconds[len(seconds) // 2]
        lines.append(f"- Processor time of an examination: median {middle:.0f} s, at most {seconds[-1]:.0f} s.")
    return "\n".join(lines) + "\n"


def cost_line(costs: Mapping[str, Any]) -> str:
    """Return what the experiments cost on the reference model."""
    healthy, sick = costs["healthy"], costs["sick"]
    return (
        f"- Experiments on the [reference model](reference-model.md): {healthy['seconds']:.0f} s of processor time; "
        f"with a learning rate of 0, where {sick['made']} of {sick['of']} are made, {sick['seconds']:.0f} s. "
        "The limit is 60 s.\n"
    )


def judged(results: list[Result]) -> list[Result]:
    """Return those in which a cure can be judged."""
    return [result for result in results if gain(result) is not None]


def healed_lines(results: list[Result], which: str) -> list[str]:
    """Return how many are healed, and by a treatment of the true cause."""
    if not results:
        return []
    healed = [result for result in results if is_healed(result)]
    right = [result for result in healed if result["removes_cause"]]
    words = [f"{which}healed: ", f"{which}healed by a treatment of the true cause: "]
    numbers = (len(healed), len(right))
    return [
        f"- {text[0].upper()}{text[1:]}{with_interval(number, len(results))}."
        for text, number in zip(words, numbers, strict=True)
    ]


def is_still_sick(result: Result) -> bool | None:
    """Return whether a cure does not heal after a full training; None where there is no cure, or nothing to gain."""
    if result["verdict"] != "cured" or gain(result) is None or None in (result.get("full"), result.get("twin_full")):
        return None
    before = result["untreated"] or 0.0
    return bool(result["full"] - before < HEALED * (result["twin_full"] - before))


def unseen_text(sets: Sequence[Unseen]) -> str:
    """Return what came of faults that were examined before anybody looked at them."""
    parts = ["## Faults that the treatments were not developed on\n"]
    for one in sets:
        rows = [["mistake", "untreated", "without the mistake", "at first", "healed", "since", "healed"], ["---"] * 7]
        for fault in one["faults"]:
            cells = (cell for which in ("first", "since") for cell in outcome(fault, fault.get(which)))
            rows.append([fault["mistake"], percent(fault["untreated"]), percent(fault["twin"]), *cells])
        first = sum(outcome(fault, fault["first"])[1] == "yes" for fault in one["faults"])
        since = [fault for fault in one["faults"] if fault.get("since")]
        number = len(one["faults"])
        lines = [f"{one['text']}\n", f"- Healed at first: {with_interval(first, number)}."]
        if since:
            again = sum(outcome(fault, fault["since"])[1] == "yes" for fault in since)
            healed = first + again - sum(outcome(fault, fault["first"])[1] == "yes" for fault in since)
            lines.append(
                f"- Healed after what failed was mended as a class of faults, no longer unseen: {healed} of {number}."
            )
        parts.append("\n".join([*lines, "", *(f"| {' | '.join(cells)} |" for cells in rows), ""]))
    return "\n".join(parts)


def outcome(fault: Mapping[str, Any], result: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return what an examination came to, and whether it healed."""
    if result is None:
        return "", ""
    gained = (result["treated"] or 0.0) - (fault["untreated"] or 0.0)
    healed = result["treated"] is not None and gained >= HEALED * (fault["twin"] - (fault["untreated"] or 0.0))
    cure = result["cure"] or f"none: {result['verdict']}"
    return (cure if result["treated"] is None else f"{cure}: {result['treated']:.0%}"), "yes" if healed else "no"


def healthy_text(results: list[Result]) -> str:
    """Return what was said of each."""
    return "\n".join(f"- {result['case']}: {result['text']}" for result in results) + "\n"


def trials(results: list[Result]) -> str:
    """Return fault by fault what was tried, and what came of it."""
    parts = []
    for result in results:
        if result["tried"]:
            lines = [f"- {name}: {outcome}" for name, outcome in result["tried"]]
            parts += [f"### {result['case']}\n", *lines, ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def names(results: list[Result]) -> str:
    """Return the names of cases in parentheses."""
    return f" ({', '.join(result['case'] for result in results)})" if results else ""


def gain(result: Result) -> float | None:
    """Return the gain of the twin over the untreated copy; None where it has none to speak of."""
    if result.get("twin") is None:
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
        *(percent(result.get(name)) for name in ("untreated", "treated", "twin")),
        result["cure"] or f"none: {result['verdict']}",
        "-" if healed is None else "yes" if healed else "no",
        "-" if result["removes_cause"] is None else "yes" if result["removes_cause"] else "no",
        str(len(result["tried"])),
        f"{result['seconds']:.0f}",
    ]


def percent(value: float | None) -> str:
    """Return an accuracy."""
    return "-" if value is None else f"{value:.0%}"
