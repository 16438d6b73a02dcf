"""The verdict on the training run itself, where a checkpoint holds its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

from spikecheck.errors import SpikecheckError
from spikecheck.evidence.evidence import CONTRADICTIONS, Evidence
from spikecheck.finding import Outcome, Unseen, UnseenKind, Verdict
from spikecheck.report.model import Report
from spikecheck.settings import Settings
from spikecheck.site import FILE_KINDS

REFUSALS = (UnseenKind.EVIDENCE_REFUSED, UnseenKind.MODEL_NOT_RUN)  # not all that was asked for was done


def with_run(
    report: Report, state: Mapping[str, Any], settings: Settings, clean: Callable[[str], str], steps: int
) -> Report:
    """The report on a file, with the verdict on the run whose evidence it holds; or why that could not be used.

    `steps` is how many updates the optimizer in the file counted, 0 where it did not. Every number of the evidence may
    be anybody's invention, so that a check, or the table of a report, may be given what no run can show. Both are tried
    here, where it can still be said.
    """
    try:
        evidence = Evidence.from_state_dict(state, clean)
        made = joined(report, evidence, settings, steps)
        made.to_json()
        str(made)
    except CONTRADICTIONS as error:
        return without(report, f"its numbers contradict each other ({type(error).__name__})")
    except SpikecheckError as error:
        return without(report, str(error))
    return made


def joined(report: Report, evidence: Evidence, settings: Settings, steps: int) -> Report:
    """The file's report and the run's as one: each check has said its part of what it is for."""
    judge = evidence.judged(settings)
    judge = replace(judge, checks=tuple(check for check in judge.checks if not check.sites & FILE_KINDS))
    updates = evidence.observations.run.update
    kept = {f.name: getattr(report, f.name) for f in fields(report) if f.name not in ("verdicts", "diagnosis")}
    text = (
        f"the first {steps - updates:,} of {steps:,} updates were not observed: the run was attached or resumed later"
    )
    missed = Unseen(UnseenKind.EARLIER_UPDATES, text)
    told = {
        "unseen": (*report.unseen, *([missed] if steps > updates else []), *evidence.unseen),
        "subject": f"{report.subject} · evidence of {updates} update{'' if updates == 1 else 's'}",
    }
    return Report.of((*evidence.verdicts(judge), *report.verdicts), **{**kept, **evidence.facts(), **told})


def without(report: Report, why: str) -> Report:
    """The file's report, saying that the run is not judged."""
    from spikecheck.checks.discovery import discover

    reason = f"the evidence of the run in this file is not used: {why}"
    others = [check for check in discover().values() if not check.sites & FILE_KINDS]
    unjudged = tuple(Verdict(check.id, check.slug, Outcome.COULD_NOT_RUN, reason=reason) for check in others)
    return replace(
        report,
        verdicts=(*unjudged, *report.verdicts),
        unseen=(*report.unseen, Unseen(UnseenKind.EVIDENCE_REFUSED, reason)),
    )


def refusal(report: Report) -> str:
    """Why evidence in the file was not used, or a model not run; empty where all that was asked for was done."""
    return next((one.text for one in report.unseen if one.kind in REFUSALS), "")
