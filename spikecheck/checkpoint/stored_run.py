"""Judge the training run itself, where a checkpoint holds its evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from spikecheck.checks.discovery import discover
from spikecheck.errors import EvidenceError, SpikecheckError
from spikecheck.evidence.evidence import CONTRADICTIONS, Evidence
from spikecheck.finding import Outcome, Unseen, UnseenKind, Verdict
from spikecheck.number_format import fill
from spikecheck.report.model import Report, WeightRow
from spikecheck.settings import Settings
from spikecheck.site import FILE_KINDS

# Not everything that was asked for was done.
REFUSALS = (UnseenKind.EVIDENCE_REFUSED, UnseenKind.MODEL_NOT_RUN, UnseenKind.FILE_LIMIT)
CLAIM = "what the report says about the run comes from the file itself: trust it as far as you trust its author"


def with_run(
    report: Report, state: Mapping[str, Any], settings: Settings, clean: Callable[[str], str], steps: int
) -> Report:
    """Return the report on a file with the verdicts on the run whose evidence it holds, or why that cannot be used.

    `steps` is the number of updates that the optimizer in the file counted, 0 if it is not known. Every number in the
    evidence may be invented, so that checks and tables may meet numbers that no run can produce. Both are tried here,
    where the report can still say so.
    """
    try:
        evidence = Evidence.from_state_dict(state, clean)
        merged = merge_run(report, evidence, settings, steps)
        merged.to_json()
        str(merged)
    except CONTRADICTIONS as error:
        return without_run(report, f"its numbers contradict each other ({type(error).__name__})")
    except SpikecheckError as error:
        return without_run(report, str(error))
    return merged


def merge_run(report: Report, evidence: Evidence, settings: Settings, steps: int) -> Report:
    """Merge the report on a file with the report on the run whose evidence it holds."""
    judge = evidence.judge(settings)
    judge = replace(judge, checks=tuple(check for check in judge.checks if not check.sites & FILE_KINDS))
    updates = evidence.updates
    of_run = evidence.report(judge)
    if all(verdict.outcome is Outcome.NOT_APPLICABLE for verdict in of_run.verdicts):
        raise EvidenceError("it holds nothing that a check can judge")
    unseen = report.unseen
    if steps > updates:
        text = fill(
            "the first {missed} of {steps} updates were not observed: the monitor was attached later",
            missed=steps - updates,
            steps=steps,
        )
        unseen += (Unseen(UnseenKind.EARLIER_UPDATES, text),)
    merged = Report.merge(of_run, report)
    return replace(
        merged,
        unseen=tuple(dict.fromkeys((*unseen, Unseen(UnseenKind.FILE_CLAIM, CLAIM), *merged.unseen))),
        subject=f"{report.subject} · evidence of {updates:,} update{'' if updates == 1 else 's'}, as the file claims",
        weights=own_weights(report.weights, merged.weights),
        updates=updates,
    )


def own_weights(of_file: Iterable[WeightRow], merged: Iterable[WeightRow]) -> tuple[WeightRow, ...]:
    """Return the rows of all weights: the size that is in the file, beside the one that the evidence says it began."""
    own = {row.name: row for row in of_file}
    return tuple(replace(own[row.name], initial=row.initial) if row.name in own else row for row in merged)


def without_run(report: Report, why: str) -> Report:
    """Return the report on a file, which says that the run was not judged, and why."""
    reason = f"the evidence of the run in this file is not used: {why}"
    of_runs = [check for check in discover().values() if not check.sites & FILE_KINDS]
    not_judged = tuple(Verdict(check.id, check.slug, Outcome.COULD_NOT_RUN, reason=reason) for check in of_runs)
    return replace(
        report,
        verdicts=(*not_judged, *report.verdicts),
        unseen=(*report.unseen, Unseen(UnseenKind.EVIDENCE_REFUSED, reason)),
    )


def refusal(report: Report) -> str:
    """Return why evidence was not used or a model was not run; empty if everything that was asked for was done."""
    return next((one.text for one in report.unseen if one.kind in REFUSALS), "")
