"""What the ranks of a run do not have in common: what each observed of its data, and findings that only some have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from spikecheck.evidence.findings import plain_finding, rebuild_finding
from spikecheck.evidence.plain import Clean, mapping, misfit, plain, rebuild
from spikecheck.finding import Finding, Outcome, Severity, Verdict
from spikecheck.report.model import Report
from spikecheck.report.ranks import RankRow, on_ranks
from spikecheck.site import FORWARD_KINDS, SiteKind

#: What depends on the data of a rank, and is added up. Everything else is the same on all ranks: gradients, as the
#: optimizer gets them, are averages over the ranks, and so are updates and parameters.
OF_THE_DATA = FORWARD_KINDS | SiteKind.GRADIENT_TO_SPIKES | SiteKind.LOSS_TERMS
LATE = 8  # a rank that has not got through the last eighth of the updates may show later what others show
MAX_RANKS, MAX_FINDINGS = 65, 1000  # of which something is known apart


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run of `size` processes: a row for each, and the findings of some, with their numbers."""

    size: int
    rows: tuple[RankRow, ...]
    findings: tuple[tuple[Finding, tuple[int, ...]], ...] = ()

    @classmethod
    def of(cls, reports: Mapping[int, Report], size: int, updates: int) -> Ranks:
        """Return what differs between the reports of ranks, of a run that has made so many updates."""
        first: dict[Any, Finding] = {}
        by_key: dict[Any, list[int]] = {}
        for number, report in sorted(reports.items()):
            for finding in report.findings:
                first.setdefault(finding.key, finding)
                by_key.setdefault(finding.key, []).append(number)
        level = {number for number, report in reports.items() if report.updates >= updates - updates // LATE}
        rows = tuple(row_of(number, report) for number, report in sorted(reports.items()))
        partial = ((first[key], tuple(ranks)) for key, ranks in by_key.items() if not level <= set(ranks))
        return cls(size, rows, tuple(partial))

    def joined(self, report: Report) -> Report:
        """Return the report on all data with what only some ranks show, by rank.

        What a rank says of weights and updates, all ranks have in common: of that, nothing is added.
        """
        ranks = {finding.key: numbers for finding, numbers in self.findings}

        def named(finding: Finding) -> Finding:
            if finding.key not in ranks:
                return finding
            return replace(finding, message=f"{on_ranks(ranks[finding.key], self.size)}: {finding.message}")

        known = {finding.key for finding in report.findings}
        verdicts = tuple(replace(one, findings=tuple(map(named, one.findings))) for one in report.verdicts)
        more = [
            Verdict(finding.check, finding.slug, Outcome.FINDINGS, (named(finding),))
            for finding, _ in self.findings
            if finding.key not in known and finding.severity > Severity.NOTE and finding.site.kind & OF_THE_DATA
        ]
        merged = Report.merge(replace(report, verdicts=verdicts), *(Report.of([one]) for one in more))
        return replace(merged, ranks=self.rows, model=report.model)

    def plain(self) -> dict[str, Any]:
        """Return plain values, as JSON can hold them."""
        rows = [{**plain(row), "rates": list(row.rates.items())} for row in self.rows]
        findings = [{**plain_finding(finding), "ranks": list(ranks)} for finding, ranks in self.findings]
        return {"size": self.size, "rows": rows, "findings": findings}

    @classmethod
    def from_plain(cls, content: Any, check_of: Callable[[Any], Any], clean: Clean) -> Ranks | None:
        """Return what `plain` was given; None for a run of one process."""
        if content is None:
            return None
        parts = mapping(content, "ranks")
        rows, findings = parts.get("rows"), parts.get("findings")
        if not isinstance(rows, list) or not isinstance(findings, list):
            misfit("ranks", "expected lists of rows and findings")
        if len(rows) > MAX_RANKS or len(findings) > MAX_FINDINGS:
            misfit("ranks", f"more than {MAX_RANKS} rows or {MAX_FINDINGS:,} findings")
        return cls(
            rebuild(int, parts.get("size"), clean, "ranks"),
            tuple(rebuild_row(mapping(row, "a rank"), clean) for row in rows),
            tuple(
                (
                    rebuild_finding(check_of(one), one, clean),
                    rebuild(tuple[int, ...], mapping(one, "a finding").get("ranks"), clean, "ranks of a finding"),
                )
                for one in findings
            ),
        )


def rebuild_row(parts: dict[str, Any], clean: Clean) -> RankRow:
    """Return the row of a rank from its plain values."""
    rates = rebuild(tuple[tuple[str, float | None], ...], parts.get("rates"), clean, "rates of a rank")
    return RankRow(
        rebuild(int, parts.get("rank"), clean, "rank"),
        rebuild(int, parts.get("updates"), clean, "updates of a rank"),
        rebuild(float | None, parts.get("loss"), clean, "loss of a rank"),
        dict(rates),
    )


def row_of(rank: int, report: Report) -> RankRow:
    """Return the row of a rank in the table of ranks."""
    losses = [row.loss.recent_mean for row in report.losses]
    return RankRow(rank, report.updates, next(iter(losses), None), {r.title: r.rate_now for r in report.layers})
