"""How a report's values read, in the terminal as on the page: numbers, distinct values, further sites."""

from __future__ import annotations

from collections.abc import Iterable

from spikecheck.finding import Finding

SHOWN = 6  # distinct values, or sites, in one line


def short(number: float) -> str:
    """Return a number in as few characters as say it."""
    return f"{number:.0f}" if number == number and abs(number) < 1e6 and number == int(number) else f"{number:.3g}"


def distinct(values: tuple[float, ...]) -> str:
    """Return the distinct values of a layer as a set, the first few of them."""
    more = ", ..." if len(values) > SHOWN else ""
    return "{" + ", ".join(short(value) for value in values[:SHOWN]) + more + "}"


def by_check(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return the findings of each check together, in the order of the first of each."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.check, []).append(finding)
    return list(groups.values())


def other_sites(findings: list[Finding]) -> str:
    """Return the sites of all but the first of one check's findings, as many as fit in a line; "" without any."""
    sites = [name for name in dict.fromkeys(f.site.name for f in findings) if name != findings[0].site.name]
    if not sites:
        return ""
    more = f" and {len(sites) - SHOWN} more" if len(sites) > SHOWN else ""
    return f" (and at {', '.join(sites[:SHOWN])}{more})"


def counted(number: int, thing: str, plural: str = "s") -> str:
    """Return a number with its noun: "1 check", "2 checks", "1,200 tensors"."""
    return f"{number:,} {thing}{'' if number == 1 else plural}"
