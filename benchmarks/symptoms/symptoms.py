"""The six symptoms: which runs of the benchmark show them, and which script each picture is made from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.faults.melodies import CLASSES
from benchmarks.symptoms.runs import Run

CHANCE = math.log(CLASSES)
NEAR_CHANCE = 0.1  # relative to ln C: the loss counts as stuck at the loss of a uniform guess
HALF_LEARNED = 0.5  # relative to ln C: training has worked, by its own loss
LOST_SCORE = 0.1  # accuracy below that of the repaired script
SILENT = {"SPK203", "SPK205", "SPK211"}
BUSY = {"SPK204", "SPK206", "SPK212"}
MODE = {"SPK214", "SPK215", "SPK216", "SPK217", "SPK225"}
#: Causes as a user thinks of them, each with the checks whose pages explain it.
CAUSES = {
    "The weights are not moved, or put back": "SPK408 SPK409 SPK410 SPK411 SPK414 SPK415 SPK416 SPK417 SPK418 SPK419 "
    "SPK421",
    "Updates are too large, or gradients pile up": "SPK407 SPK413",
    "Weight decay, or another term of the loss, outweighs the task": "SPK321 SPK412",
    "The gradient does not arrive: no surrogate, or too steep or too narrow a one": "SPK401 SPK402 SPK403 SPK420",
    "The scale of the weights is wrong, or neurons spike several times per step": "SPK201 SPK202 SPK220 SPK222 SPK406",
    "The drive of a layer does not fit its threshold": "SPK203 SPK204 SPK205 SPK206 SPK211 SPK212 SPK223 "
    "SPK224 SPK504",
    "The neuron's state is not reset, lost, or decays wrongly": "SPK207 SPK208 SPK209 SPK210 SPK213 SPK218 "
    "SPK219 SPK221 SPK226 SPK505",
    "The mode, dropout or batch normalization": "SPK214 SPK215 SPK216 SPK217 SPK225",
    "A value becomes NaN or infinite": "SPK405",
    "The time axis is swapped, missing or collapsed": "SPK103 SPK104 SPK105 SPK106",
    "The input is empty, saturated, repeated or badly scaled": "SPK101 SPK102 SPK107 SPK108 SPK109 SPK110 SPK111 "
    "SPK112",
    "The readout or the loss function does not fit": "SPK301 SPK303 SPK305 SPK310 SPK311 SPK315 SPK316 SPK317 "
    "SPK318 SPK319 SPK320 SPK322 SPK323 SPK324 SPK325 SPK326",
    "The labels are wrong, all alike or sorted": "SPK306 SPK307 SPK308 SPK309 SPK314",
}  # fmt: skip
CAUSE_OF = {check: cause for cause, checks in CAUSES.items() for check in checks.split()}
UNNAMED = "Nothing that watching can name, such as labels of other samples"
EXAMPLES = 3


@dataclass(frozen=True)
class Symptom:
    """A symptom with its page.

    Attributes:
        page: the name of the page in docs/symptoms, without its ending.
        rule: by what a run of the benchmark is counted here, in words.
        shows: whether a run shows the symptom.
    """

    page: str
    rule: str
    shows: Callable[[Run], bool]


def is_stuck(run: Run) -> bool:
    """Return whether the loss ends near that of a uniform guess."""
    return abs(run.last - CHANCE) < NEAR_CHANCE * CHANCE


def is_only_trained(run: Run) -> bool:
    """Return whether the loss fell, and the score on new data is less than half of the repaired script's."""
    return run.last < HALF_LEARNED * CHANCE and run.score < run.healthy / 2


def is_mediocre(run: Run) -> bool:
    """Return whether the loss fell, and the score stays below that of the repaired script."""
    fell = run.last < (1 - NEAR_CHANCE) * CHANCE
    return fell and not is_only_trained(run) and run.score < run.healthy - LOST_SCORE


SYMPTOMS = (
    Symptom("loss-stuck", "the last losses are within 10% of ln 20 = 3.00, that of a uniform guess", is_stuck),
    Symptom(
        "loss-nan",
        "a current, a potential, a gradient, a weight or the loss became NaN or infinite",
        lambda run: "SPK405" in run.observed,
    ),
    Symptom(
        "silent-neurons",
        "a layer was reported as silent, weakly driven or fading",
        lambda run: bool(run.observed & SILENT),
    ),
    Symptom(
        "saturated-neurons",
        "a layer was reported as saturated, driven too strongly or exploding",
        lambda run: bool(run.observed & BUSY),
    ),
    Symptom(
        "eval-mode",
        "the loss fell below 1.50 while accuracy on new data is less than half of the repaired script's, or a mode or "
        "the dropout of a layer was reported",
        lambda run: is_only_trained(run) or bool(run.observed & MODE),
    ),
    Symptom(
        "low-accuracy",
        "the loss fell below 2.70, and accuracy is more than 10 percentage points below the repaired script's",
        is_mediocre,
    ),
)


def table(symptom: Symptom, runs: Sequence[Run]) -> str:
    """Return the causes of a symptom, the most frequent first, with scripts as examples."""
    shown = [run for run in runs if symptom.shows(run)]
    by_cause: dict[str, list[Run]] = {}
    for run in shown:
        by_cause.setdefault(CAUSE_OF.get(run.cause, UNNAMED), []).append(run)
    lines = [
        f"Of the {len(runs)} scripts with a mistake in [the truth benchmark](../truth.md), {len(shown)} show this "
        f"symptom: {symptom.rule}.",
        "",
        "| cause | scripts | check | such as |",
        "|---|---|---|---|",
    ]
    for cause, members in sorted(by_cause.items(), key=lambda item: (-len(item[1]), item[0])):
        checks = ", ".join(f"[{id_}](../checks/{id_}.md)" for id_ in sorted({run.cause for run in members} - {""}))
        examples = "<br>".join(f"• {one}" for one in one_example_per_check(members)).replace("|", "\\|")
        lines.append(f"| {cause} | {len(members)} | {checks} | {examples} |")
    return "\n".join(lines) + "\n"


def one_example_per_check(runs: Sequence[Run]) -> list[str]:
    """Return what is wrong in a few of the scripts, first of those that differ in their check."""
    firsts = {run.cause: run.about for run in reversed(runs)}
    others = [run.about for run in runs if run.about not in firsts.values()]
    return [*reversed(firsts.values()), *others][:EXAMPLES]
