"""Write docs/truth.md: all cases, the figures, and the failures."""

from __future__ import annotations

from collections.abc import Sequence

from .case import Case
from .jobs import Result
from .scores import Score, losses, scores, share

HEAD = ("case", "fault", "reported in", "found", "rank", "loss", "score (without the fault)")
PAGE = """# The truth benchmark

The truth benchmark measures how often spikecheck finds the fault in a training script, and how often it warns about a
healthy one. It runs {faults} small scripts with one realistic fault each and {healthy} unusual but correct scripts,
with hand-written neurons and five libraries. spikecheck gets no hint about the case. The scripts are in
`benchmarks/faults/cases/`; `make bench-faults` runs them. The input is a stream of synthetic spikes in 20 classes that
never repeats a batch, so the chance level is 5%.

| measure | result |
| --- | --- |
| recall: faults found | {recall} |
| faults whose first root cause is correct | {top} |
| healthy scripts with a false alarm | {alarmed} |
| faults that watching cannot detect, with a note that names the right experiment | {noted} |

- A fault is **found** if a warning, an error or a root cause reports its cause, or another cause that describes the
  fault equally well.
- Its **rank** is the position of the first such finding among the root causes.
- A **false alarm** is a warning or an error on a healthy script, or on a script whose fault was removed.
- Some faults leave normal spikes, normal gradients and a falling loss, so they **cannot be detected by watching**. They
  are counted separately: a note has to name the experiment that can confirm the fault.

The authors of the checks also wrote these cases, so expect lower figures on other scripts. Some faults hardly lower the
score on this easy task; they are included because they are visible in the values and would matter on other tasks.

## Faults

{fault_rows}

## Healthy

{healthy_rows}

## Failures

{failing}
"""


def page(results: Sequence[Result], reasons: dict[str, str]) -> str:
    """Return the text of the page; it contains no date, machine or duration, so it changes only with the results."""
    score = Score.of(results)
    faults = [result for result in results if result.case.cause is not None]
    healthy = [result for result in results if result.case.cause is None]
    failing = [r for r in results if (r.case.cause is not None and r.rank != 1 and not r.noted) or r.false_alarms]
    return PAGE.format(
        faults=score.faults + score.beyond,
        healthy=len(healthy),
        recall=share(score.detected, score.faults),
        top=share(score.first, score.faults),
        alarmed=share(score.alarmed, score.clean_runs),
        noted=share(score.noted, score.beyond),
        fault_rows=markdown(
            HEAD,
            map(cells, faults),
        ),
        healthy_rows=markdown(
            ("case", "what is unusual", "alarms", "loss", "score"),
            (
                (r.case.name, r.case.about, checks(r.false_alarms), losses(r.outcome), scores(r.outcome, None))
                for r in healthy
            ),
        ),
        failing="\n".join(f"- {failure(result, reasons)}" for result in failing) or "None.",
    )


def cells(result: Result) -> tuple[str, ...]:
    """Return a faulty script as a row of the page."""
    case = result.case
    verdict = "yes" if result.detected else "a note" if result.noted else "**no**"
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
