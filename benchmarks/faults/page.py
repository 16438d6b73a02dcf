"""The page of docs: every case, the figures, and what fails."""

from __future__ import annotations

from collections.abc import Sequence

from .case import Case
from .jobs import Result
from .scores import Score, losses, scores, share

HEAD = ("case", "mistake", "reported in", "found", "rank", "loss", "score (without the mistake)")
PAGE = """# The truth benchmark

Small training scripts that spikecheck judges without knowing them: {faults} with one realistic mistake each, and
{healthy} that are unusual and right. They are in `benchmarks/faults/cases/`, over hand-written neurons and five
libraries; `make bench-faults` runs them. The input is a stream of synthetic spikes of 20 classes, never the same batch
twice, so that chance is 5 %.

- A fault is **found** when a warning, an error or a root cause names its cause, or another cause that is as true a name
  for it.
- Some mistakes leave spikes, gradients and a falling loss behind, so that **watching cannot know** them. They are
  counted by themselves: a note has to name the experiment that would tell.
- Its **rank** is the place of the first such finding among the root causes.
- A **false alarm** is a warning or an error on a healthy script, or on a script with its mistake taken out.

Recall {recall}, first root cause right {top}, scripts with false alarms {alarmed}. Of what watching cannot know, the
experiment is named in {noted}.

These are our own cases, and the checks were written by the same people: expect less of scripts that nobody here has
seen. A mistake that leaves the score high is here because it is plain in the values: another task would not forgive it.

## Faults

{fault_rows}

## Healthy

{healthy_rows}

## What fails, and why

{failing}
"""


def page(results: Sequence[Result], reasons: dict[str, str]) -> str:
    """The page of docs: every case, the figures, and what fails; no date, no machine, no time."""
    score = Score.of(results)
    faults = [result for result in results if result.case.cause is not None]
    healthy = [result for result in results if result.case.cause is None]
    failing = [r for r in results if (r.case.cause is not None and r.rank != 1 and not r.noted) or r.false_alarms]
    return PAGE.format(
        faults=score.faults + score.beyond,
        healthy=len(healthy),
        recall=share(score.found, score.faults),
        top=share(score.first, score.faults),
        alarmed=share(score.alarmed, score.clean_runs),
        noted=share(score.noted, score.beyond),
        fault_rows=markdown(
            ("case", "mistake", "reported in", "found", "rank", "loss", "score (without the mistake)"),
            map(cells, faults),
        ),
        healthy_rows=markdown(
            ("case", "what is unusual", "alarms", "loss", "score"),
            (
                (r.case.name, r.case.about, checks(r.false_alarms), losses(r.outcome), scores(r.outcome, None))
                for r in healthy
            ),
        ),
        failing="\n".join(f"- {failure(result, reasons)}" for result in failing) or "Nothing.",
    )


def cells(result: Result) -> tuple[str, ...]:
    """A fault as a row of the page."""
    case = result.case
    found = "yes" if result.found else "a note" if result.noted else "**no**"
    rank = str(result.rank or "–")
    return case.name, case.about, thread(case), found, rank, losses(result.outcome), scores(result.outcome, result.twin)


def healthy_cells(result: Result) -> tuple[str, ...]:
    """A healthy script as a row of the page."""
    case, outcome = result.case, result.outcome
    return case.name, case.about, checks(result.false_alarms), losses(outcome), scores(outcome, None)


def failure(result: Result, reasons: dict[str, str]) -> str:
    """What went wrong with a case, and why where that is known."""
    case, said = result.case, []
    if case.cause is not None and not result.found:
        said.append(f"not found ({case.cause})")
    elif case.cause is not None and result.rank != 1:
        said.append(f"found, and {result.outcome.said.causes[0]} named before it" if result.outcome.said.causes else "")
    if result.false_alarms:
        said.append(f"false alarm: {checks(result.false_alarms)}")
    reason = reasons.get(case.name, "")
    return f"`{case.name}`: {'; '.join(said)}." + (f" {reason}" if reason else "")


def thread(case: Case) -> str:
    """A link to the thread."""
    repository, _, number = case.thread.partition("#")
    return f"[{case.thread}](https://github.com/{repository}/issues/{number})" if number else ""


def checks(alarms: Sequence[str]) -> str:
    """The ids of some alarms."""
    return ", ".join(sorted({alarm.partition(" ")[0] for alarm in alarms})) or "none"


def markdown(head: Sequence[str], rows: object) -> str:
    """A table of a page."""
    lines = [head, ["---"] * len(head), *rows]  # type: ignore[misc]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
