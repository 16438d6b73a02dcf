from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.discovery import discover
from spikecheck.diagnosis import SYMPTOMS
from spikecheck.finding import Outcome, Unseen, UnseenKind, Verdict
from spikecheck.report.examined import ExperimentOutcome, ExperimentRow
from spikecheck.report.model import Report
from spikecheck.report.undetermined import FACTS
from spikecheck.site import SiteKind
from tests.unit.report.reports import finding, healthy

LEARNS_NOTHING = Unseen(UnseenKind.LEARNING, "after 64 updates no loss shows that anything is learned")
PLATEAU = finding("SPK302", "chance-plateau", SiteKind.LOSS, "loss", 9, "loss stays at 3.00")
SILENT = finding("SPK203", "dead-layer", SiteKind.SPIKES, "lif1", 2, "lif1 is silent")


def report(*findings, passed=("SPK203", "SPK204", "SPK401"), unseen=(), **facts) -> Report:
    verdicts = [Verdict(check, "", Outcome.PASSED) for check in passed if check not in {f.check for f in findings}]
    verdicts += [Verdict(f.check, f.slug, Outcome.FINDINGS, (f,)) for f in findings]
    return Report.of(verdicts, unseen=unseen, **facts)


def causes(observed: Report) -> list[str]:
    return [one.text for one in observed.unseen if one.kind is UnseenKind.CAUSE]


def test_a_symptom_alone_is_no_cause_and_the_report_says_what_was_ruled_out() -> None:
    observed = report(PLATEAU)
    assert observed.undetermined
    assert observed.conclusion == "little is learned, and no check shows why"
    (text,) = causes(observed)
    assert text.startswith("no check shows why little is learned, although every layer fires; spikecheck.examine(")
    printed = str(observed)
    assert observed.conclusion in printed
    assert " SYMPTOM   SPK302" in printed
    assert "ROOT CAUSE" not in printed


def test_facts_whose_checks_could_not_all_run_are_not_claimed() -> None:
    (text,) = causes(report(PLATEAU, passed=("SPK203",)))
    assert "although" not in text


@pytest.mark.parametrize("findings", [(PLATEAU, SILENT), (SILENT,), ()], ids=["both", "a cause", "nothing"])
def test_nothing_is_said_where_a_cause_is_known_or_nothing_is_wrong(findings) -> None:
    observed = report(*findings)
    assert not observed.undetermined
    assert not causes(observed)


def test_without_any_finding_a_network_that_learns_nothing_is_to_be_examined() -> None:
    observed = report(unseen=(LEARNS_NOTHING,))
    assert causes(observed)
    assert observed.undetermined
    assert observed.conclusion == "little is learned, and no check shows why"
    assert not observed.ok


def test_where_the_losses_cannot_tell_nothing_says_that_little_is_learned() -> None:
    observed = report(unseen=(Unseen(UnseenKind.UNCLEAR_LEARNING, "no loss shows whether anything is learned"),))
    assert not causes(observed)
    assert observed.conclusion.startswith("not enough was observed to judge: whether anything is learned")
    assert not observed.ok


def test_a_network_that_learns_little_is_not_called_healthy_and_passes() -> None:
    text = "the loss is 1.93, 84% of what a guess without the input has"
    observed = report(unseen=(Unseen(UnseenKind.MOST_OF_LEARNING, text),), layers=healthy().layers)
    assert observed.conclusion == f"no warning, no error; {text}"
    assert observed.ok
    assert causes(observed)
    assert str(observed).replace("\n", " ").count(text) == 1  # in the conclusion alone


def test_nothing_is_to_be_explained_while_the_loss_still_falls() -> None:
    text = "the loss is 1.93, 84% of what a guess without the input has, and still falls"
    observed = report(unseen=(Unseen(UnseenKind.REST_OF_LEARNING, text),), layers=healthy().layers)
    assert observed.conclusion == f"no warning, no error; {text}"
    assert observed.ok
    assert not causes(observed)


def test_a_report_on_experiments_does_not_recommend_them() -> None:
    row = ExperimentRow("one batch", ExperimentOutcome.DONE, "its loss falls")
    assert not causes(report(PLATEAU, experiments=(row,)))


def test_a_report_that_is_merged_with_one_that_knows_the_cause_knows_it() -> None:
    merged = Report.merge(report(PLATEAU), report(SILENT))
    assert not merged.undetermined
    assert not causes(merged)


def test_the_checks_that_are_named_exist() -> None:
    known = set(discover())
    assert known.issuperset(SYMPTOMS)
    assert known.issuperset(check for _, checks in FACTS for check in checks)


def test_what_was_wrong_earlier_in_the_run_is_not_called_right() -> None:
    never = [Verdict(check, "", Outcome.PASSED) for check in ("SPK203", "SPK204")]
    earlier = [replace(never[0], history=(SILENT,)), never[1]]
    right, once_wrong = (causes(Report.of(verdicts, unseen=(LEARNS_NOTHING,))) for verdicts in (never, earlier))
    assert "although every layer fires" in right[0]
    assert "although" not in once_wrong[0]
