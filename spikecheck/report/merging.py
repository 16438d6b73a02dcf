"""What several reports on one training say together: verdicts of one check, and rows of one name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from spikecheck.finding import Outcome, Verdict


class Named(Protocol):
    """A row of a table."""

    @property
    def name(self) -> str:
        """The layer, loss, weight or optimizer that the row is about."""


Row = TypeVar("Row", bound=Named)


def merged_verdict(first: Verdict, second: Verdict) -> Verdict:
    """Return one verdict from two of the same check: what either found, or else the stronger of both answers."""
    known = {finding.key for finding in first.findings}
    findings = (*first.findings, *(finding for finding in second.findings if finding.key not in known))
    order = (Outcome.FINDINGS, Outcome.PASSED, Outcome.COULD_NOT_RUN, Outcome.NOT_APPLICABLE)
    stronger = min(first, second, key=lambda verdict: order.index(verdict.outcome))
    ignored = tuple(dict.fromkeys((*first.ignored, *second.ignored)))
    holding = {finding.key for finding in findings}
    history = {f.key: f for f in (*second.history, *first.history) if f.key not in holding}
    return replace(
        stronger,
        findings=findings,
        ignored=ignored,
        history=tuple(history.values()),
        failed=first.failed or second.failed,
    )


def first_by_name(tables: Iterable[tuple[Row, ...]]) -> tuple[Row, ...]:
    """Return the rows of several tables, of each name the first."""
    rows: dict[str, Row] = {}
    for row in (row for table in tables for row in table):
        rows.setdefault(row.name, row)
    return tuple(rows.values())
