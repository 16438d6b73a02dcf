"""What the terminal report and the page share: numbers in tables, the summary of verdicts, the line that ignores."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from spikecheck.finding import Finding, FindingState, Outcome, dates
from spikecheck.number_format import number
from spikecheck.timelines import TimeSteps

if TYPE_CHECKING:
    from spikecheck.report.model import Report

SHOWN = 6  # distinct values, sites or checks in one line
LINE_NUMBER = re.compile(r"(?<=\.py):\d+")
IGNORE_TABLE = "[tool.spikecheck.ignore]"  # in pyproject.toml


def short(value: float) -> str:
    """Return a number for a table: a whole number without decimals, others with 3 significant digits."""
    return number(int(value) if value == value and abs(value) < 1e6 and value == int(value) else value)


def time_steps(steps: TimeSteps | None) -> str:
    """Return the number of time steps of a layer, and where they are: "40 calls", "40, axis 1", "unknown"."""
    if steps is None:
        return "-"
    if not steps.known:
        return "unknown"
    count = f"{steps.fewest:,}" if steps.fewest == steps.most else f"{steps.fewest:,} to {steps.most:,}"
    if steps.axis is None:
        return f"{count} call{'' if steps.most == 1 else 's'}"
    return f"{count}, axis {steps.axis}"


def distinct(values: tuple[float, ...]) -> str:
    """Return the first few distinct values of a layer as a set."""
    more = ", ..." if len(values) > SHOWN else ""
    return "{" + ", ".join(short(value) for value in values[:SHOWN]) + more + "}"


def by_check(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return the findings of each check together, in the order in which the checks first occur."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.check, []).append(finding)
    return list(groups.values())


def other_sites(findings: list[Finding]) -> str:
    """Return the sites of all but the first of one check's findings, as many as fit in a line; "" without any."""
    sites = [name for name in dict.fromkeys(str(f.site) for f in findings) if name != str(findings[0].site)]
    return f" (also at {listed(sites)})" if sites else ""


def listed(names: Iterable[str]) -> str:
    """Return the first few names: "a, b and 3 more"."""
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more


def first_seen(finding: Finding) -> str:
    """Return since when a finding holds, and when it held before that."""
    earlier = f"; earlier: {dates(finding.intervals[:-1])}" if len(finding.intervals) > 1 else ""
    return f"{finding.when}{earlier}"


def past_line(past: Finding) -> str:
    """Return a finding that holds no longer in one line: "lif2 was silent, updates 1 to 14"."""
    kind = " (comes and goes)" if past.state is FindingState.INTERMITTENT else ""
    return f"{past.message}, {past.dates}{kind}" if past.dates else past.message


def suspicion(effects: list[Finding]) -> str:
    """Return which findings of one check a finding may have caused that holds no longer."""
    sites = list(dict.fromkeys(str(finding.site) for finding in effects))
    more = f" and {len(sites) - 1} more" if len(sites) > 1 else ""
    return f"may have caused {effects[0].check} at {sites[0]}{more}"


def counted(value: int, thing: str, plural: str = "s") -> str:
    """Return a number with its noun: "1 check", "2 checks", "1,200 tensors"."""
    return f"{value:,} {thing}{'' if value == 1 else plural}"


def ignore_line(finding: Finding) -> str:
    """Return the line of pyproject.toml that ignores a finding at its site, for the table `IGNORE_TABLE`."""
    name = re.sub(r"([*?[])", r"[\1]", finding.site.name)  # a site is a pattern there
    return f'{json.dumps(f"{finding.check}:{name}", ensure_ascii=False)} = "reason"'


def ignore_hint(finding: Finding) -> str:
    """Return in one line how to ignore a finding: header and entry are two lines of TOML, so one is named after."""
    return f"add {ignore_line(finding)} under {IGNORE_TABLE}"


def summary(report: Report) -> str:
    """Return how many checks passed, did not apply and could not run, with the reasons and the checks they concern."""
    passed, not_applicable = (len(report.with_outcome(one)) for one in (Outcome.PASSED, Outcome.NOT_APPLICABLE))
    reasons: dict[str, list[str]] = {}
    for verdict in report.with_outcome(Outcome.COULD_NOT_RUN):
        reasons.setdefault(verdict.reason, []).append(verdict.check)
    text = f"{passed} passed, {not_applicable} not applicable, {sum(map(len, reasons.values()))} could not run"
    details = [f"{reason} ({listed(checks)})" if reason else listed(checks) for reason, checks in reasons.items()]
    return f"{text}: {'; '.join(details)}" if details else text


def stable_key(finding: Finding) -> tuple[str, str, str]:
    """Return what a finding is known by in the next version of a script: without the line, where its site is one."""
    check, kind, site = finding.key
    return check, kind, without_line(site)


def without_line(site: str) -> str:
    """Return the name of a site without the line number, where it is a line of a script."""
    return LINE_NUMBER.sub("", site)
