"""Root causes first: a finding is one when nothing that could explain it was found upstream or earlier."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spikecheck.diagnosis.order import along, phase, precedes
from spikecheck.finding import Finding, Severity

Key = tuple[str, str, str]  # of a finding: check, kind of site, site


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
    found = sorted(findings, key=order)
    grave = [finding for finding in found if finding.severity > Severity.NOTE]
    slight = [finding for finding in found if finding.severity is Severity.NOTE]
    parents = {finding.key: explaining(finding, grave) or nearest(finding, slight) for finding in grave}
    promoted = {p.key: p for f in grave for p in parents[f.key] if p.severity is Severity.NOTE}
    roots = [*(finding for finding in grave if not parents[finding.key]), *promoted.values()]
    origins = roots_of(grave, parents)
    ranked = sorted(roots, key=lambda root: gravity(root, grave, origins))
    rank = {root.key: place for place, root in enumerate(ranked)}
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
        return (order(cause), cause.key) < (order(effect), effect.key)
    return cause.check in effect.explained_by


def roots_of(findings: list[Finding], parents: dict[Key, list[Finding]]) -> dict[Key, set[Key]]:
    """The roots that each finding goes back to, through any number of others.

    For all of them at once, from the first on: a file of a thousand broken tensors has half a million ways back.
    """
    roots = {parent.key: {parent.key} for above in parents.values() for parent in above if parent.key not in parents}
    roots |= {finding.key: set() if parents[finding.key] else {finding.key} for finding in findings}
    known = 0
    while known < (found := sum(map(len, roots.values()))):  # once more where one stood before what explains it
        known = found
        for finding in findings:
            roots[finding.key].update(*(roots[parent.key] for parent in parents[finding.key]))
    return roots


def order(finding: Finding) -> tuple[int, int, tuple[int, int, int], str]:
    """Sorting by time, then by the flow of the data."""
    return finding.when.update, phase(finding), along(finding), finding.check


def gravity(
    root: Finding, grave: list[Finding], origins: dict[Key, set[Key]]
) -> tuple[int, int, float, tuple[int, int, tuple[int, int, int], str]]:
    """Which root to name first: the worst consequence, then how far beyond its limit, then what came first."""
    led = [finding for finding in grave if root.key in origins[finding.key]]
    worst = max((finding.severity for finding in (root, *led)), default=root.severity)
    return -worst, -len({finding.check for finding in led}), -root.weight, order(root)
