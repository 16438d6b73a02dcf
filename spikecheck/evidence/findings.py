"""Convert a finding to plain values and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from spikecheck.checks.base import Check
from spikecheck.checks.discovery import known_causes
from spikecheck.evidence.plain import Clean, mapping, misfit, plain, rebuild
from spikecheck.finding import Expected, Finding, Fix, Interval, Observed, Phrase, Severity
from spikecheck.ledger import NEVER, Record
from spikecheck.site import Moment, Site

P = TypeVar("P", bound=Phrase)


def plain_finding(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON can hold it, without what its check knows: its name, and what explains it."""
    observed, expected = finding.observed, finding.expected
    return {
        "check": finding.check,
        "severity": finding.severity.label,
        "site": plain(finding.site),
        "message": finding.message,
        "observed": {"text": observed.text, "numbers": plain(observed.numbers)},
        "expected": {"text": expected.text, "numbers": plain(expected.numbers), "because": expected.because},
        "fixes": [{name: value for name, value in plain(fix).items() if name != "applies"} for fix in finding.fixes],
        "when": plain(finding.when),
        "excess": finding.excess,
        "ranks_first": finding.ranks_first,
    }


def rebuild_finding(check: type[Check], parts: dict[str, Any], clean: Clean) -> Finding:
    """Return a finding of this check; MisfitError where a part is missing, or has another type."""
    where = f"a finding of {check.id}"

    def lines(text: str) -> str:
        return "\n".join(map(clean, text.split("\n")))

    severity = str(parts.get("severity")).upper()
    if severity not in Severity.__members__:
        misfit(where, "it has no valid severity")
    site = rebuild(Site, parts.get("site"), clean, where)
    because = mapping(parts.get("expected"), where).get("because", "")
    expected = phrase(Expected(""), parts.get("expected"), clean, where)
    expected.because = rebuild(str, because, clean, where)
    return Finding(
        check=check.id,
        slug=check.slug,
        severity=Severity[severity],
        site=site,
        message=rebuild(str, parts.get("message"), clean, where),
        observed=phrase(Observed(""), parts.get("observed"), clean, where),
        expected=expected,
        # code from a file is shown, and never run
        fixes=tuple(replace(fix, applies=False) for fix in rebuild(tuple[Fix, ...], parts.get("fixes"), lines, where)),
        when=rebuild(Moment, parts.get("when"), clean, where),
        explained_by=known_causes().get(check.id, check.explained_by),
        excess=rebuild(float, parts.get("excess"), clean, where),
        ranks_first=rebuild(bool, parts.get("ranks_first", check.ranks_first), clean, where),
    )


def plain_record(record: Record) -> dict[str, Any]:
    """Return a record as JSON can hold it: its finding, and when that held."""
    dates = {"intervals": [[one.first, one.last] for one in record.intervals], "last_absent": record.last_absent}
    return {**plain_finding(record.finding), **dates}


def rebuild_record(check: type[Check], parts: dict[str, Any], clean: Clean) -> Record:
    """Return a record of a finding of this check.

    Evidence of earlier versions has `until`, the update at which it was over, in place of the intervals.
    """
    finding, where = rebuild_finding(check, parts, clean), f"the dates of a finding of {check.id}"
    until, first = rebuild(int | None, parts.get("until"), clean, where), finding.when.update
    default = [[first, first if until is None else max(first, until - 1)]]
    pairs = rebuild(tuple[tuple[int, int], ...], parts.get("intervals", default), clean, where)
    absent = rebuild(int, parts.get("last_absent", NEVER if until is None else until), clean, where)
    if not pairs or any(start > end for start, end in pairs):
        misfit(where, "expected intervals, each from an update to a later one")
    return Record(finding, tuple(Interval(start, end) for start, end in pairs), absent)


def phrase(empty: P, parts: Any, clean: Clean, where: str) -> P:
    """Return a phrase with this text, which is no template, and these numbers."""
    part = mapping(parts, where)
    numbers = mapping(part.get("numbers", {}), where)
    text = rebuild(str, part.get("text"), clean, where)
    empty.restore(text, {clean(name): number(value, clean, where) for name, value in numbers.items()})
    return empty


def number(value: Any, clean: Clean, where: str) -> Any:
    """Return a number of a phrase: a plain value, or a list of them."""
    if isinstance(value, list):
        if any(isinstance(item, list) for item in value):
            misfit(where, "a number cannot be a list of lists")
        return tuple(number(item, clean, where) for item in value)
    kind = next((kind for kind in (bool, int, float, str) if isinstance(value, kind)), None)
    return None if value is None else rebuild(kind, value, clean, where)
