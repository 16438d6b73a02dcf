"""Write docs/truth.md: all cases, the figures, and the failures."""

from __future__ import annotations

from collections.abc import Sequence

from .case import Case
from .jobs import Result
from .scores import Score, losses, scores, with_interval

HEAD = ("case", "fault", "reported in", "found", "rank", "loss", "score (without the fault)")
HEALTHY_HEAD = ("case", "what is unusual", "alarms", "loss", "score")
PAGE = """# The truth benchmark

The truth benchmark measures how often spikecheck finds the fault in a training script, and how often it warns about a
healthy one. It runs {faults} small scripts with one realistic fault each and {healthy} unusual but correct scripts,
with hand-written neurons and five libraries. The authors of the checks wrote {own} of them; {reported} were rewritten
from reproductions of public bug reports, made by somebody who had not seen the checks. spikecheck gets no hint about
the case. The scripts are in `benchmarks/faults/cases/`; `make bench-faults` runs them. The input is a stream of
synthetic spikes in 20 classes that never repeats a batch, so the chance level is 5%.

Each figure has its 95% confidence interval (Clopper and Pearson).

{measures}

- A fault is **found** if a warning, an error or a root cause reports its cause, or another cause that describes the
  fault equally well.
- The fault is **a note** or **over** if the report mentions it only so, or as something that was true at first. This
  counts as not found, although some of these networks learn all the same.
- Its **rank** is the position of the first such finding among the root causes.
- A **false alarm** is a warning or an error on a healthy script, or on a script whose fault was removed.
- Some faults leave normal spikes, normal gradients and a falling loss, so they **cannot be detected by watching**. They
  are counted separately: a note has to name the experiment that can confirm the fault.

The authors of the checks wrote the first group themselves, so expect figures like those of the second group on other
scripts. Some faults hardly lower the score on this easy task; they are included because they are visible in the values
and would matter on other tasks.

## Faults, own scripts

{own_faults}

## Faults, from public reports

{reported_faults}

## Healthy, own scripts

{own_healthy}

## Healthy, from public reports

{reported_healthy}

## Failures

{failing}
"""


def page(results: Sequence[Result], reasons: dict[str, str]) -> str:
    """Return the text of the page; it contains no date, machine or duration, so it changes only with the results."""
    own = [result for result in results if not result.case.reported]
    reported = [result for result in results if result.case.reported]
    failing = [r for r in results if (r.case.cause is not None and r.rank != 1 and not r.noted) or r.false_alarms]
    return PAGE.format(
        faults=len(faulty(results)),
        healthy=len(healthy(results)),
        own=len(own),
        reported=len(reported),
        measures=measures(Score.of(own), Score.of(reported)),
        own_faults=markdown(HEAD, map(cells, faulty(own))),
        reported_faults=markdown(HEAD, map(cells, faulty(reported))),
        own_healthy=markdown(HEALTHY_HEAD, map(healthy_cells, healthy(own))),
        reported_healthy=markdown(HEALTHY_HEAD, map(healthy_cells, healthy(reported))),
        failing="\n".join(f"- {failure(result, reasons)}" for result in failing) or "None.",
    )


def faulty(results: Sequence[Result]) -> list[Result]:
    """Return the results of scripts with a fault."""
    return [result for result in results if result.case.cause is not None]


def healthy(results: Sequence[Result]) -> list[Result]:
    """Return the results of scripts that are correct as they are."""
    return [result for result in results if result.case.cause is None]


def measures(*groups: Score) -> str:
    """Return the table of figures, one column per group."""
    rows = (
        ("recall: faults found", *(with_interval(s.detected, s.faults) for s in groups)),
        ("faults whose first root cause is correct", *(with_interval(s.first, s.faults) for s in groups)),
        ("healthy scripts with a false alarm", *(with_interval(s.alarmed, s.clean_runs) for s in groups)),
        (
            "faults that watching cannot detect, with a note that names the right experiment",
            *(with_interval(s.noted, s.beyond) for s in groups),
        ),
    )
    return markdown(("measure", "own scripts", "from public reports"), rows)


def cells(result: Result) -> tuple[str, ...]:
    """Return a faulty script as a row of the page."""
    case = result.case
    verdict = "**no**" if result.verdict == "no" else result.verdict
    rank = str(result.rank or "–")
    return (
        case.name,
        case.about,
        thread(case),
        verdict,
        rank,
        losses(result.outcome),
        scores(result.outcome, result.twin),
    )


def healthy_cells(result: Result) -> tuple[str, ...]:
    """Return a healthy script as a row of the page."""
    case, outcome = result.case, result.outcome
    return case.name, case.about, checks(result.false_alarms), losses(outcome), scores(outcome, None)


def failure(result: Result, reasons: dict[str, str]) -> str:
    """Describe the failure of a case, and its reason if known."""
    case, failures = result.case, []
    if case.cause is not None and not result.detected:
        failures.append(f"not found ({case.cause})")
    elif case.cause is not None and result.rank != 1:
        failures.append(
            f"found, but ranked after {result.outcome.findings.causes[0]}" if result.outcome.findings.causes else ""
        )
    if result.false_alarms:
        failures.append(f"false alarm: {checks(result.false_alarms)}")
    reason = reasons.get(case.name, "")
    return f"`{case.name}`: {'; '.join(failures)}." + (f" {reason}" if reason else "")


def thread(case: Case) -> str:
    """Return a link to the issue thread."""
    repository, _, number = case.thread.partition("#")
    return f"[{case.thread}](https://github.com/{repository}/issues/{number})" if number else ""


def checks(alarms: Sequence[str]) -> str:
    """Return the distinct check ids of the alarms."""
    return ", ".join(sorted({alarm.partition(" ")[0] for alarm in alarms})) or "none"


def markdown(head: Sequence[str], rows: object) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]  # type: ignore[misc]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
