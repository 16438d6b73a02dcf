"""Which root causes the user is told of while training goes on, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spikecheck.announcements import PATIENCE, Announcements
from spikecheck.diagnosis import Cause, diagnose
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.report.wording import warning_text
from spikecheck.site import Moment, Site, SiteKind


def never(members: Sequence[Finding]) -> bool:
    return False


def made(check: str, position: int, update: int = 0, *causes: str, severity: Severity = Severity.ERROR) -> Finding:
    """A finding of a made-up check at a layer of this position."""
    site = Site(SiteKind.SPIKES, f"lif{position}", position)
    text = f"{site} of {check}"
    return Finding(
        check, "made-up", severity, site, text, Observed("a"), Expected("b"), when=Moment(update), explained_by=causes
    )


def announced(announcements: Announcements, update: int, *findings: Finding) -> list[list[str]]:
    """What is told of, each cause followed by its consequences."""
    return [
        [f"{f.check} {f.site}" for f in (cause.finding, *cause.consequences)]
        for cause in announcements.due(diagnose(findings), update, never)
    ]


def test_consequences_are_told_with_their_cause_and_never_again() -> None:
    announcements = Announcements()
    cause, effect = made("SPK205", 1), made("SPK203", 2, 0, "SPK205")
    assert announced(announcements, 0, effect, cause) == [["SPK205 lif1", "SPK203 lif2"]]
    assert announced(announcements, 1, effect, cause) == []
    assert announced(announcements, 2, effect, cause, made("SPK203", 3, 0, "SPK205")) == []


def test_what_came_up_during_training_waits_for_its_cause() -> None:
    announcements = Announcements()
    effect, cause = made("SPK206", 2, 3, "SPK407"), made("SPK407", 1, 3)
    assert announced(announcements, 3, effect) == []
    assert announced(announcements, 5, effect, cause) == [["SPK407 lif1", "SPK206 lif2"]]


def test_it_waits_for_so_many_updates_and_no_longer() -> None:
    announcements = Announcements()
    effect = made("SPK206", 2, 3, "SPK407")
    assert [update for update in range(3, 30) if announced(announcements, update, effect)] == [3 + PATIENCE]


def test_nothing_waits_where_training_is_to_stop_at_once_or_where_it_has_stopped() -> None:
    effect = made("SPK206", 2, 3, "SPK407")
    assert announced(Announcements(patient=False), 3, effect)
    assert [*Announcements().due(diagnose([effect]), 3, never, last=True)]


def test_what_the_first_forward_pass_shows_is_told_at_once() -> None:
    assert announced(Announcements(), 1, made("SPK206", 2, 0, "SPK407"))


def test_a_finding_that_becomes_worse_is_told_again() -> None:
    announcements = Announcements()
    note = made("SPK203", 1, severity=Severity.NOTE)
    assert announced(announcements, 0, note)
    assert not announced(announcements, 1, note)
    assert announced(announcements, 2, replace(note, severity=Severity.ERROR))


def test_a_cause_that_training_may_repair_holds_its_consequences_back() -> None:
    announcements = Announcements()
    findings = diagnose([made("SPK203", 1), made("SPK302", 2, 0, "SPK203")])
    assert not [*announcements.due(findings, 5, lambda members: members[0].check == "SPK203")]
    assert [len(cause.consequences) for cause in announcements.due(findings, 64, never)] == [1]


def test_the_text_begins_with_the_cause_and_ends_with_code_that_can_be_pasted() -> None:
    code = "for x_t in x:\n    spikes = lif(x_t)"
    cause = replace(made("SPK205", 1), fixes=(Fix(code),))
    text = warning_text(Cause(cause, (made("SPK203", 2), made("SPK203", 3))))
    assert text.startswith("SPK205 made-up: lif1")
    assert "led to: SPK203 lif2 of SPK203 (also at lif3)" in text
    assert text.endswith(f"\n  fix:\n{code}")


def test_an_evaluation_is_due_once_the_first_that_waits_has_waited_long_enough() -> None:
    announcements = Announcements()
    assert not announcements.is_due(3, ())
    announced(announcements, 3, made("SPK206", 2, 3, "SPK407"))
    announced(announcements, 5, made("SPK206", 2, 3, "SPK407"), made("SPK205", 3, 5, "SPK407"))
    assert next(at for at in range(3, 13) if announcements.is_due(at, ())) == 3 + PATIENCE
    announced(announcements, 11, made("SPK206", 2, 3, "SPK407"))
    assert not announcements.is_due(20, ())
