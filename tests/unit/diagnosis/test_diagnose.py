"""Findings, made up, and what is made of them: the root cause first, what followed from it, and nothing lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikecheck.diagnosis import Diagnosis, diagnose, precedes
from spikecheck.diagnosis.rank import FindingsByCheck, explaining, in_order, roots_of
from spikecheck.finding import Expected, Finding, FindingState, Interval, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
KINDS = SiteKind
CHECKS = [f"SPK{n}" for n in (101, 201, 203, 301, 303, 402, 405, 499)]


def finding(
    check: str,
    kind: SiteKind = KINDS.SPIKES,
    position: int = 1,
    *,
    update: int = 0,
    step: int | None = None,
    by: tuple[str, ...] = (),
    severity: Severity = ERROR,
    weight: float = 0.0,
    name: str = "",
) -> Finding:
    site = Site(kind, name or f"at{position}", position)
    return Finding(
        check, check.lower(), severity, site, "m", Observed("s"), Expected("e"), (), Moment(update, step), by, weight
    )


def as_labels(diagnosis: Diagnosis) -> list[tuple[str, list[str]]]:
    """The diagnosis, short: each root cause with its consequences."""
    return [(label(c.finding), [label(f) for f in c.consequences]) for c in diagnosis.causes]


def label(one: Finding) -> str:
    return f"{one.check}@{one.site.position}"


def test_what_is_over_and_only_cost_updates_comes_after_what_holds() -> None:
    late = replace(finding("SPK203", severity=WARNING, weight=9.0), state=FindingState.OVER)
    consequence = finding("SPK402", KINDS.GRADIENT, by=("SPK203",), severity=WARNING)
    active = finding("SPK208", KINDS.STATE, 2, update=5, severity=WARNING)
    assert as_labels(diagnose([late, consequence, active])) == [("SPK208@2", []), ("SPK203@1", ["SPK402@1"])]


def test_what_only_shows_that_nothing_is_learned_comes_after_what_may_be_the_reason() -> None:
    plateau = finding("SPK302", KINDS.LOSS, 9, update=5)
    reason = finding("SPK105", KINDS.INPUT, severity=WARNING)
    assert as_labels(diagnose([plateau, reason])) == [("SPK105@1", []), ("SPK302@9", [])]


# -- what can have come before what


@pytest.mark.parametrize(
    ("cause", "effect", "answer"),
    [
        (finding("SPK101", KINDS.INPUT, 0), finding("SPK201", KINDS.SPIKES, 1), True),
        (finding("SPK201", KINDS.SPIKES, 1), finding("SPK101", KINDS.INPUT, 0), False),
        (finding("SPK201", KINDS.SPIKES, 9), finding("SPK402", KINDS.GRADIENT, 1), True),
        (finding("SPK402", KINDS.GRADIENT, 1), finding("SPK201", KINDS.SPIKES, 9), False),
        (finding("SPK402", KINDS.GRADIENT, 5), finding("SPK405", KINDS.GRADIENT, 1), True),
        (finding("SPK402", KINDS.GRADIENT, 1), finding("SPK405", KINDS.GRADIENT, 5), False),
        (finding("SPK402", KINDS.GRADIENT, 1), finding("SPK499", KINDS.UPDATE, 1), True),
        (finding("SPK499", KINDS.UPDATE, 1), finding("SPK402", KINDS.GRADIENT, 1), False),
        (finding("SPK499", KINDS.UPDATE, 1, update=3), finding("SPK101", KINDS.INPUT, 0, update=4), True),
        (finding("SPK101", KINDS.INPUT, 0, update=4), finding("SPK499", KINDS.UPDATE, 1, update=3), False),
        (finding("SPK205", KINDS.CURRENT, 2), finding("SPK203", KINDS.SPIKES, 2), True),
        (finding("SPK203", KINDS.SPIKES, 2), finding("SPK205", KINDS.CURRENT, 2), False),
        (finding("SPK406", KINDS.PARAMETER, 2), finding("SPK205", KINDS.CURRENT, 2), True),
        (finding("SPK301", KINDS.LOGITS, 8), finding("SPK303", KINDS.LOSS, 9), True),
        (finding("SPK201", step=2), finding("SPK202", step=5), True),
        (finding("SPK202", step=5), finding("SPK201", step=2), False),
        (finding("SPK101", KINDS.INPUT, 0), finding("SPK404", KINDS.RUN, 0), True),
        (finding("SPK201"), finding("SPK201"), False),
    ],
    ids=lambda v: f"{label(v)} {v.site.kind.label}, update {v.when.update}" if isinstance(v, Finding) else str(v),
)
def test_what_comes_before_what(cause: Finding, effect: Finding, answer: bool) -> None:
    assert precedes(cause, effect) is answer


# -- root causes


def test_no_finding_no_cause() -> None:
    assert diagnose([]) == Diagnosis()


def test_the_chain_of_the_input_leads_back_to_the_input() -> None:
    count = finding("SPK101", KINDS.INPUT, 0)
    multi = finding("SPK201", KINDS.SPIKES, 2, by=("SPK101",))
    logits = finding("SPK301", KINDS.LOGITS, 5, by=("SPK201",))
    loss = finding("SPK303", KINDS.LOSS, 6, by=("SPK301",))
    assert as_labels(diagnose([loss, multi, count, logits])) == [("SPK101@0", ["SPK201@2", "SPK301@5", "SPK303@6"])]


def test_a_check_that_names_another_downstream_of_it_is_no_consequence() -> None:
    multi = finding("SPK201", KINDS.SPIKES, 1, by=("SPK203",))
    dead = finding("SPK203", KINDS.SPIKES, 2)
    assert {cause for cause, _ in as_labels(diagnose([multi, dead]))} == {"SPK201@1", "SPK203@2"}


def test_of_one_check_the_first_site_explains_the_others() -> None:
    layers = [finding("SPK203", KINDS.SPIKES, place) for place in (3, 1, 2)]
    assert as_labels(diagnose(layers)) == [("SPK203@1", ["SPK203@2", "SPK203@3"])]


def test_a_vanishing_gradient_begins_at_the_loss() -> None:
    layers = [finding("SPK402", KINDS.GRADIENT, place) for place in (1, 3, 2)]
    ((root, consequences),) = as_labels(diagnose(layers))
    assert len(consequences) == 2
    assert root == "SPK402@3"


def test_what_came_earlier_in_training_explains_what_came_later() -> None:
    hot = finding("SPK499", KINDS.UPDATE, 1, update=2)
    dead = finding("SPK203", KINDS.SPIKES, 1, update=7, by=("SPK499",))
    assert as_labels(diagnose([dead, hot])) == [("SPK499@1", ["SPK203@1"])]
    early = finding("SPK203", KINDS.SPIKES, 1, update=0, by=("SPK499",))
    assert [cause for cause, _ in as_labels(diagnose([early, hot]))] != ["SPK499@1"]


def test_unrelated_faults_are_two_causes_the_graver_first() -> None:
    upstream = finding("SPK101", KINDS.INPUT, 0, severity=WARNING)
    problems = finding("SPK405", KINDS.GRADIENT, 4)
    assert as_labels(diagnose([upstream, problems])) == [("SPK405@4", []), ("SPK101@0", [])]


def test_a_warning_that_led_to_an_error_is_as_grave_as_that() -> None:
    quiet = finding("SPK101", KINDS.INPUT, 0, severity=WARNING)
    loud = finding("SPK303", KINDS.LOSS, 9, by=("SPK101",))
    other = finding("SPK203", KINDS.SPIKES, 2, severity=WARNING)
    assert [cause for cause, _ in as_labels(diagnose([other, loud, quiet]))] == ["SPK101@0", "SPK203@2"]


def test_of_two_equal_causes_the_one_further_beyond_its_limit_comes_first() -> None:
    near = finding("SPK101", KINDS.INPUT, 0, weight=0.2)
    far = finding("SPK406", KINDS.PARAMETER, 1, weight=2.0)
    assert [cause for cause, _ in as_labels(diagnose([near, far]))] == ["SPK406@1", "SPK101@0"]


def test_what_made_a_value_non_finite_comes_before_whatever_led_to_more() -> None:
    early = finding("SPK104", KINDS.INPUT, 0, severity=WARNING, weight=9.0)
    silent = finding("SPK203", KINDS.SPIKES, 1, by=("SPK104",))
    frozen = finding("SPK409", KINDS.UPDATE, 1, by=("SPK104",))
    large = finding("SPK407", KINDS.UPDATE, 2, update=1, severity=WARNING)
    spoiled = replace(finding("SPK405", KINDS.INPUT, 0, update=2, by=("SPK407",)), ranks_first=True)
    alone = replace(spoiled, explained_by=())
    assert as_labels(diagnose([early, silent, frozen, alone]))[0] == ("SPK405@0", [])
    assert as_labels(diagnose([early, silent, frozen, large, spoiled]))[0] == ("SPK407@2", ["SPK405@0"])


def test_a_consequence_of_two_causes_stands_once_under_the_first_of_them() -> None:
    one, two = finding("SPK101", KINDS.INPUT, 0, weight=1), finding("SPK406", KINDS.PARAMETER, 1)
    both = finding("SPK201", KINDS.SPIKES, 2, by=("SPK101", "SPK406"))
    assert as_labels(diagnose([one, two, both])) == [("SPK101@0", ["SPK201@2"]), ("SPK406@1", [])]


def test_a_note_alone_is_a_note() -> None:
    diagnosis = diagnose([note := finding("SPK101", KINDS.INPUT, 0, severity=NOTE)])
    assert (diagnosis.causes, diagnosis.notes) == ((), (note,))


def test_a_note_that_alone_explains_an_error_is_its_cause() -> None:
    note = finding("SPK101", KINDS.INPUT, 0, severity=NOTE)
    error = finding("SPK201", KINDS.SPIKES, 1, by=("SPK101",))
    diagnosis = diagnose([note, error])
    assert as_labels(diagnosis) == [("SPK101@0", ["SPK201@1"])]
    assert not diagnosis.notes


def test_a_note_that_explains_no_other_finding_stays_one() -> None:
    note = replace(finding("SPK101", KINDS.INPUT, 0, severity=NOTE), explains_others=False)
    error = finding("SPK201", KINDS.SPIKES, 1, by=("SPK101",))
    diagnosis = diagnose([note, error])
    assert as_labels(diagnosis) == [("SPK201@1", [])]
    assert diagnosis.notes == (note,)


def test_a_cause_that_came_back_counts_from_when_it_first_held() -> None:
    back = finding("SPK407", KINDS.UPDATE, 1, update=192)
    effect = finding("SPK402", KINDS.GRADIENT, 2, update=96, by=("SPK407",))
    assert len(diagnose([back, effect]).causes) == 2
    before = replace(back, intervals=(Interval(0, 170), Interval(192, 200)))
    assert as_labels(diagnose([before, effect])) == [("SPK407@1", ["SPK402@2"])]


def test_a_warning_that_explains_no_other_finding_hides_none_that_does() -> None:
    explains = finding("SPK207", KINDS.POTENTIAL, 1)
    silent_about_others = replace(finding("SPK207", KINDS.POTENTIAL, 2), explains_others=False)
    effect = finding("SPK203", KINDS.SPIKES, 3, by=("SPK207",))
    assert as_labels(diagnose([silent_about_others, effect])) == [("SPK207@2", []), ("SPK203@3", [])]
    assert as_labels(diagnose([explains, silent_about_others, effect])) == [("SPK207@1", ["SPK207@2", "SPK203@3"])]


def test_of_several_notes_the_nearest_is_the_cause_and_its_like_go_with_it() -> None:
    """Counts in the input and multi-spike layers, both modest: the logits are the sum of the last layer's spikes."""
    counts = finding("SPK101", KINDS.INPUT, 0, severity=NOTE)
    first = finding("SPK201", KINDS.SPIKES, 2, severity=NOTE)
    last = finding("SPK201", KINDS.SPIKES, 4, severity=NOTE)
    loss = finding("SPK303", KINDS.LOSS, 6, by=("SPK101", "SPK201"))
    diagnosis = diagnose([counts, first, last, loss])
    assert [(cause.finding, cause.consequences) for cause in diagnosis.causes] == [(first, (loss, last))]
    assert diagnosis.notes == (counts,)


def test_a_note_stays_one_where_something_graver_explains_the_error() -> None:
    note = finding("SPK101", KINDS.INPUT, 0, severity=NOTE)
    cause = finding("SPK406", KINDS.PARAMETER, 1)
    error = finding("SPK201", KINDS.SPIKES, 1, by=("SPK101", "SPK406"))
    diagnosis = diagnose([note, cause, error])
    assert as_labels(diagnosis) == [("SPK406@1", ["SPK201@1"])]
    assert diagnosis.notes == (note,)


# -- of any findings


@st.composite
def findings(draw: st.DrawFn) -> list[Finding]:
    """Any findings, of checks that name only checks before them: `explained_by` has no cycle, a house test holds it."""
    names = {
        check: tuple(draw(st.lists(st.sampled_from(CHECKS[:place]), unique=True))) if place else ()
        for place, check in enumerate(draw(st.permutations(CHECKS)))
        if check == CHECKS[place] or place
    }
    several = []
    for check in draw(st.lists(st.sampled_from(CHECKS), max_size=9)):
        by = tuple(other for other in names.get(check, ()) if CHECKS.index(other) < CHECKS.index(check))
        several.append(
            finding(
                check,
                draw(st.sampled_from(list(SiteKind))),
                draw(st.integers(0, 3)),
                update=draw(st.integers(0, 2)),
                step=draw(st.none() | st.integers(0, 2)),
                by=by,
                severity=draw(st.sampled_from(list(Severity))),
                weight=draw(st.sampled_from((0.0, 0.5, 2.0))),
            )
        )
    return list({one.key: one for one in several}.values())


@given(findings())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_every_problem_stands_exactly_once_and_no_note_is_lost(several: list[Finding]) -> None:
    diagnosis = diagnose(several)
    shown = [f for cause in diagnosis.causes for f in (cause.finding, *cause.consequences)] + list(diagnosis.notes)
    assert Counter(f.key for f in shown) == Counter(f.key for f in several)
    assert all(note.severity is NOTE for note in diagnosis.notes)


@given(findings(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_order_in_which_findings_come_does_not_matter(several: list[Finding], random: st.DataObject) -> None:
    shuffled = list(several)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert diagnose(shuffled) == diagnose(several)


@given(findings())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_root_cause_is_explained_by_a_more_severe_or_equal_finding(several: list[Finding]) -> None:
    problems = [f for f in several if f.severity > NOTE]
    for cause in diagnose(several).causes:
        if cause.finding.severity > NOTE:
            above = [f for f in problems if f.check in cause.finding.explained_by and precedes(f, cause.finding)]
            assert not above


def by_definition(several: list[Finding]) -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    """The roots of every finding, by looking at all pairs."""
    above = {f.key: [c for c in several if explaining(f, [c])] for f in several}

    def roots(key: tuple[str, ...], visited: frozenset[tuple[str, ...]]) -> set[tuple[str, ...]]:
        if not above[key]:
            return {key}
        return set().union(*(roots(c.key, visited | {key}) for c in above[key] if c.key not in visited))

    return {f.key: roots(f.key, frozenset()) for f in several}


@given(findings())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_few_ways_back_lead_to_the_same_roots_as_all_of_them(several: list[Finding]) -> None:
    problems = sorted((f for f in several if f.severity > NOTE), key=in_order)
    known = FindingsByCheck(problems)
    assert roots_of(problems, {f.key: known.parents(f) for f in problems}) == by_definition(problems)


def test_a_thousand_findings_of_two_checks_have_few_ways_back() -> None:
    weights = [finding("SPK101", KINDS.PARAMETER, at) for at in range(1000)]
    moments = [finding("SPK405", KINDS.UPDATE, at, by=("SPK101",)) for at in range(1000)]
    known = FindingsByCheck(sorted(weights + moments, key=in_order))
    assert max(len(known.parents(one)) for one in weights + moments) == 2
    assert as_labels(diagnose(weights + moments))[0][0] == "SPK101@0"
    assert len(diagnose(weights + moments).causes) == 1
