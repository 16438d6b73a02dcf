"""Root causes first: a finding is one unless a finding that can explain it is upstream or earlier."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from spikecheck.diagnosis.order import place, precedes
from spikecheck.finding import Finding, FindingState, Severity

#: Checks that show that little or nothing is learned, and not why.
SYMPTOMS = frozenset({"SPK302", "SPK309", "SPK312", "SPK313"})

Key = tuple[str, str, str]  # of a finding: check, kind of site, site
Order = tuple[int, int, tuple[int, int, int], str]


@dataclass(frozen=True, slots=True)
class Cause:
    """A root cause and its consequences, in the order of the data flow."""

    finding: Finding
    consequences: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a report begins with. `notes` are findings that do no harm and explain nothing that does."""

    causes: tuple[Cause, ...] = ()
    notes: tuple[Finding, ...] = ()


def diagnose(findings: Iterable[Finding]) -> Diagnosis:
    """Sort findings into root causes with their consequences, and notes.

    A note becomes a root cause where it alone explains a warning or an error.
    """
    ordered = sorted(findings, key=in_order)
    problems = [finding for finding in ordered if finding.severity > Severity.NOTE]
    notes = [finding for finding in ordered if finding.severity is Severity.NOTE]
    index = FindingsByCheck(problems)
    parents = {finding.key: index.parents(finding) for finding in problems}
    parents |= earlier_in_the_run([finding for finding in problems if not parents[finding.key]])
    parents |= {finding.key: parents[finding.key] or nearest_note(finding, notes) for finding in problems}
    promoted = {p.key: p for f in problems for p in parents[f.key] if p.severity is Severity.NOTE}
    roots = [*(finding for finding in problems if not parents[finding.key]), *promoted.values()]
    origins = roots_of(problems, parents)
    effects: dict[Key, list[Finding]] = {root.key: [] for root in roots}
    for finding in problems:
        for key in origins[finding.key]:
            effects[key].append(finding)
    ranked = sorted(roots, key=lambda root: importance(root, effects[root.key]))
    rank = {root.key: number for number, root in enumerate(ranked)}
    consequences: dict[Key, list[Finding]] = {key: [] for key in rank}
    for finding in problems:
        if finding.key not in rank:
            consequences[min(origins[finding.key], key=lambda key: rank[key])].append(finding)
    remaining = []
    for note in notes:
        first = next((root for root in promoted.values() if root.check == note.check), None)
        if first is None:
            remaining.append(note)
        elif first.key != note.key:  # the same note at another site belongs to it
            consequences[first.key].append(note)
    return Diagnosis(tuple(Cause(root, tuple(consequences[root.key])) for root in ranked), tuple(remaining))


class FindingsByCheck:
    """Findings by check, reduced to the few that matter for the roots of another finding.

    Among findings of one check, each is explained by all that come before it. A finding that the last of them explains
    therefore has all the roots of the others too, and needs no path to each. One of every kind is kept where
    they name different causes. A file with a thousand broken tensors would have half a million paths otherwise.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Take findings that are sorted by `in_order`."""
        self.places: dict[str, list[tuple[Order, Key]]] = {}
        self.latest: dict[str, list[tuple[Finding, ...]]] = {}  # the last of each kind, up to and with the nth finding
        for finding in findings:
            self.places.setdefault(finding.check, []).append(in_order(finding))
            latest = self.latest.setdefault(finding.check, [])
            others = [last for last in latest[-1] if kind_of(last) != kind_of(finding)] if latest else []
            latest.append((*others, finding))

    def parents(self, effect: Finding) -> list[Finding]:
        """Return findings that explain this one, enough of them to find all of its roots."""
        parents = list(self.before(effect.check, bisect_left(self.of(effect.check), in_order(effect))))
        for check in effect.explained_by:
            if check != effect.check:
                causes = self.before(check, bisect_right(self.of(check), place(effect), key=lambda one: one[0][:3]))
                parents += (cause for cause in causes if cause.explains_others)
        return parents

    def of(self, check: str) -> list[tuple[Order, Key]]:
        """Return where the findings of a check are."""
        return self.places.get(check, [])

    def before(self, check: str, count: int) -> tuple[Finding, ...]:
        """Return the last of each kind among the first `count` findings of a check."""
        return self.latest[check][count - 1] if count else ()


def earlier_in_the_run(roots: list[Finding]) -> dict[Key, list[Finding]]:
    """Return the root that explains another one by what it was before a pause: it came back after its effect began.

    The first beginnings of two such are never equal, so that no two roots explain each other.
    """
    parents: dict[Key, list[Finding]] = {}
    for effect in roots:
        causes = [one for one in roots if one.check in effect.explained_by and one.explains_others]
        causes = [one for one in causes if onset(one) < onset(effect)]
        if causes:
            parents[effect.key] = [min(causes, key=in_order)]
    return parents


def onset(finding: Finding) -> int:
    """Return the update from which a finding first held, be it with pauses."""
    return min([finding.when.update, *(interval.first for interval in finding.intervals)])


def kind_of(finding: Finding) -> tuple[tuple[str, ...], bool]:
    """Return what explains a finding, and whether it explains others."""
    return finding.explained_by, finding.explains_others


def nearest_note(finding: Finding, notes: list[Finding]) -> list[Finding]:
    """Return the note that explains a finding: of the check that is nearest to it, the first one."""
    candidates = explaining(finding, (note for note in notes if note.explains_others))
    if not candidates:
        return []
    check = max(candidates, key=order).check
    return [min((note for note in candidates if note.check == check), key=order)]


def explaining(finding: Finding, others: Iterable[Finding]) -> list[Finding]:
    """Return the findings that can explain this one: of a check that explains its check, or of its own, upstream."""
    return [other for other in others if related(other, finding) and precedes(other, finding)]


def related(cause: Finding, effect: Finding) -> bool:
    """Return whether the cause's check explains the effect's. Of one check, the first site explains the others."""
    if cause.check == effect.check:
        return in_order(cause) < in_order(effect)
    return cause.check in effect.explained_by


def roots_of(findings: list[Finding], parents: dict[Key, list[Finding]]) -> dict[Key, set[Key]]:
    """Return the roots of each finding, along any number of others; for all findings at once, from the first on."""
    roots = {parent.key: {parent.key} for above in parents.values() for parent in above if parent.key not in parents}
    roots |= {finding.key: set() if parents[finding.key] else {finding.key} for finding in findings}
    known = 0
    while known < (count := sum(map(len, roots.values()))):  # once more where a finding is sorted before its cause
        known = count
        for finding in findings:
            roots[finding.key].update(*(roots[parent.key] for parent in parents[finding.key]))
    return roots


def order(finding: Finding) -> Order:
    """Return the key that sorts findings by time, then by the data flow."""
    return *place(finding), finding.check


def in_order(finding: Finding) -> tuple[Order, Key]:
    """Return the same key, different for any two findings."""
    return order(finding), finding.key


def importance(root: Finding, effects: list[Finding]) -> tuple[bool, bool, bool, int, int, float, Order]:
    """Return the key that sorts root causes: worst consequence, how many, how far beyond the limit, what is first.

    What is over, and only cost updates, comes last, and before it what merely shows that nothing is learned; what
    spoils all that others are judged by comes first.
    """
    members = (root, *effects)
    worst = max(finding.severity for finding in members)
    ranks_first = any(finding.ranks_first for finding in members)
    is_over = root.state is not FindingState.ACTIVE
    size = -worst, -len({finding.check for finding in effects}), -root.excess
    return is_over, not ranks_first, root.check in SYMPTOMS, *size, order(root)
