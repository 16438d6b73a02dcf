"""Root causes first: a finding is one when nothing that could explain it was found upstream or earlier."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from spikecheck.diagnosis.order import place, precedes
from spikecheck.finding import Finding, Severity

Key = tuple[str, str, str]  # of a finding: check, kind of site, site
Order = tuple[int, int, tuple[int, int, int], str]


@dataclass(frozen=True, slots=True)
class Cause:
    """A root cause and what followed from it, in the order of the data flow."""

    finding: Finding
    consequences: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a report leads with. `notes` are findings that explain nothing and harm nothing by themselves."""

    causes: tuple[Cause, ...] = ()
    notes: tuple[Finding, ...] = ()


def diagnose(findings: Iterable[Finding]) -> Diagnosis:
    """Sort findings into root causes with their consequences, and notes.

    A note becomes a root cause where it alone explains a warning or an error.
    """
    found = sorted(findings, key=in_order)
    grave = [finding for finding in found if finding.severity > Severity.NOTE]
    slight = [finding for finding in found if finding.severity is Severity.NOTE]
    known = Known(grave)
    parents = {finding.key: known.parents(finding) or nearest(finding, slight) for finding in grave}
    promoted = {p.key: p for f in grave for p in parents[f.key] if p.severity is Severity.NOTE}
    roots = [*(finding for finding in grave if not parents[finding.key]), *promoted.values()]
    origins = roots_of(grave, parents)
    following: dict[Key, list[Finding]] = {root.key: [] for root in roots}
    for finding in grave:
        for key in origins[finding.key]:
            following[key].append(finding)
    ranked = sorted(roots, key=lambda root: gravity(root, following[root.key]))
    rank = {root.key: at for at, root in enumerate(ranked)}
    led: dict[Key, list[Finding]] = {key: [] for key in rank}
    for finding in grave:
        if finding.key not in rank:
            led[min(origins[finding.key], key=lambda key: rank[key])].append(finding)
    notes = []
    for note in slight:
        first = next((root for root in promoted.values() if root.check == note.check), None)
        if first is None:
            notes.append(note)
        elif first.key != note.key:  # the same at another site goes with it
            led[first.key].append(note)
    return Diagnosis(tuple(Cause(root, tuple(led[root.key])) for root in ranked), tuple(notes))


class Known:
    """Findings by check, for the few of them that matter to the roots of another.

    Of one check, each goes back to all that come before it; so whatever goes back to the last of them goes back to all
    roots of the others. Only where they name different causes, one of each kind is needed. A file of a thousand broken
    tensors would otherwise have half a million ways back.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        """From findings that are sorted by `in_order`."""
        self.places: dict[str, list[tuple[Order, Key]]] = {}
        self.latest: dict[str, list[tuple[Finding, ...]]] = {}  # of each kind the last, up to and with the nth finding
        for finding in findings:
            self.places.setdefault(finding.check, []).append(in_order(finding))
            latest = self.latest.setdefault(finding.check, [])
            others = [last for last in latest[-1] if last.explained_by != finding.explained_by] if latest else []
            latest.append((*others, finding))

    def parents(self, effect: Finding) -> list[Finding]:
        """Those that explain a finding, enough of them to find all of its roots."""
        found = list(self.before(effect.check, bisect_left(self.of(effect.check), in_order(effect))))
        for check in effect.explained_by:
            if check != effect.check:
                found += self.before(check, bisect_right(self.of(check), place(effect), key=lambda one: one[0][:3]))
        return found

    def of(self, check: str) -> list[tuple[Order, Key]]:
        """Where the findings of a check are."""
        return self.places.get(check, [])

    def before(self, check: str, count: int) -> tuple[Finding, ...]:
        """The last of each kind among so many of a check's findings."""
        return self.latest[check][count - 1] if count else ()


def nearest(finding: Finding, notes: list[Finding]) -> list[Finding]:
    """The note that explains a finding: of those that could, the check that was found nearest to it, where it began."""
    able = explaining(finding, notes)
    if not able:
        return []
    check = max(able, key=order).check
    return [min((note for note in able if note.check == check), key=order)]


def explaining(finding: Finding, others: Iterable[Finding]) -> list[Finding]:
    """The findings that could explain this one: of a check that it names, or its own check further upstream."""
    return [other for other in others if related(other, finding) and precedes(other, finding)]


def related(cause: Finding, effect: Finding) -> bool:
    """Does the effect's check name the cause's? Of one check, the first site explains the others, never the reverse."""
    if cause.check == effect.check:
        return in_order(cause) < in_order(effect)
    return cause.check in effect.explained_by


def roots_of(findings: list[Finding], parents: dict[Key, list[Finding]]) -> dict[Key, set[Key]]:
    """The roots that each finding goes back to, through any number of others.

    For all of them at once, from the first on.
    """
    roots = {parent.key: {parent.key} for above in parents.values() for parent in above if parent.key not in parents}
    roots |= {finding.key: set() if parents[finding.key] else {finding.key} for finding in findings}
    known = 0
    while known < (found := sum(map(len, roots.values()))):  # once more where one stood before what explains it
        known = found
        for finding in findings:
            roots[finding.key].update(*(roots[parent.key] for parent in parents[finding.key]))
    return roots


def order(finding: Finding) -> Order:
    """Sorting by time, then by the flow of the data."""
    return *place(finding), finding.check


def in_order(finding: Finding) -> tuple[Order, Key]:
    """The same, where no two findings are alike."""
    return order(finding), finding.key


def gravity(root: Finding, led: list[Finding]) -> tuple[int, int, float, Order]:
    """Which root to name first: the worst consequence, then how far beyond its limit, then what came first."""
    worst = max((finding.severity for finding in (root, *led)), default=root.severity)
    return -worst, -len({finding.check for finding in led}), -root.excess, order(root)
