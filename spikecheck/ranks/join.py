"""Make one report of what several ranks observed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spikecheck.evidence.evidence import Evidence
from spikecheck.finding import Finding, Outcome, Severity, Unseen, UnseenKind
from spikecheck.ranks.exchange import Exchange, RankState
from spikecheck.ranks.pack import CARRIED, pack_engine, unpack_engine
from spikecheck.ranks.wording import on_ranks
from spikecheck.report.model import Report
from spikecheck.report.ranks import RankRow
from spikecheck.site import FORWARD_KINDS, SiteKind
from spikecheck.stats.engine import Engine, Windows

#: What depends on the data of a rank, and is added up. Everything else is the same on all ranks: gradients, as the
#: optimizer gets them, are averages over the ranks, and so are updates and parameters.
OF_THE_DATA = FORWARD_KINDS | SiteKind.GRADIENT_TO_SPIKES | SiteKind.LOSS_TERMS
LATE = 8  # a rank that has not got through the last eighth of the updates may show later what others show
MAX_JUDGED = 64  # other ranks whose findings are compared; judgment call: a report takes less than ten seconds


def joined(own: Engine, others: Iterable[Engine]) -> Engine:
    """Return an engine with the states of all ranks, on the CPU; excerpts are this rank's."""
    on_cpu = unpack_engine(pack_engine(own))
    every: dict[Any, list[Windows]] = {}
    for engine in (on_cpu, *others):
        for key, windows in engine.windows.items():
            every.setdefault(key, []).append(windows)
    excerpts = {key: replace(w) for key, w in own.windows.items() if key[1].one_pass}
    return Engine(own.by_kind, {**{key: of_ranks(key[1], all_) for key, all_ in every.items()}, **excerpts}, own.failed)


def of_ranks(statistic: Any, every: Sequence[Windows]) -> Windows:
    """Return the windows of one site on all ranks; those of a rank where the site has another form are left out."""
    first = every[0]
    if not statistic.kind & OF_THE_DATA:
        return first
    fitting = [windows for windows in every if windows.sites[0].kind is first.sites[0].kind]
    states: dict[str, Any] = {}
    for one in CARRIED:
        present = [state for windows in fitting if (state := getattr(windows, one)) is not None]
        states[one] = statistic.join(present) if present else None
    return Windows(first.sites, windowed=first.windowed, **states)


def report_of_run(
    exchange: Exchange, evidence: Callable[[Sequence[Engine]], Evidence], report_of: Callable[[Evidence], Report]
) -> Report:
    """Return the report on the whole run: what all data shows, and what only some ranks show, by rank.

    `evidence` returns that of this rank, or, with the engines of others, of all.
    """
    exchange.write()
    rank, size, own = exchange.process.rank, exchange.process.size, report_of(evidence(()))
    exchange.look()
    others = exchange.read()  # last, for what is written meanwhile
    joint = report_of(evidence([one.engine for one in others])) if others else own
    reports = {rank: own, **{state.rank: report_of(state.evidence) for state in others[:MAX_JUDGED]}}
    by_key: dict[Any, list[int]] = {}
    for number, report in sorted(reports.items()):
        for finding in report.findings:
            by_key.setdefault(finding.key, []).append(number)
    late = joint.updates - joint.updates // LATE
    level = {number for number, report in reports.items() if report.updates >= late}
    partial = {key: ranks for key, ranks in by_key.items() if not level <= set(ranks)}

    def named(finding: Finding) -> Finding:
        if finding.key not in partial:
            return finding
        return replace(finding, message=f"{on_ranks(partial[finding.key], size)}: {finding.message}")

    known = {finding.key for finding in joint.findings}
    merged = Report.merge(
        with_findings(joint, named),
        *(only(report, known, named) for _, report in sorted(reports.items()) if len(reports) > 1),
    )
    rows = [row_of(number, report) for number, report in sorted(reports.items())]
    return replace(merged, ranks=tuple(rows), unseen=(*merged.unseen, *missing(rank, size, joint.updates, others)))


def with_findings(report: Report, change: Callable[[Finding], Finding]) -> Report:
    """Return a report with every finding changed."""
    verdicts = tuple(replace(one, findings=tuple(map(change, one.findings))) for one in report.verdicts)
    return replace(report, verdicts=verdicts)


def only(report: Report, known: set[Any], named: Callable[[Finding], Finding]) -> Report:
    """Return the warnings and errors of a rank about its data that all data together does not show, and nothing else.

    What a rank says of weights and updates, all ranks have in common.
    """
    verdicts = []
    for verdict in report.verdicts:
        remaining = [
            finding
            for finding in verdict.findings
            if finding.key not in known and finding.severity > Severity.NOTE and finding.site.kind & OF_THE_DATA
        ]
        if remaining:
            changed = tuple(map(named, remaining))
            verdicts.append(replace(verdict, outcome=Outcome.FINDINGS, findings=changed, history=(), ignored=()))
    return Report.of(verdicts)


def row_of(rank: int, report: Report) -> RankRow:
    """Return the row of a rank in the table of ranks."""
    losses = {row.name: row.loss.recent_mean for row in report.losses}
    return RankRow(
        rank, report.updates, next(iter(losses.values()), None), {r.title: r.rate_now for r in report.layers}
    )


def missing(rank: int, size: int, update: int, others: Sequence[RankState]) -> list[Unseen]:
    """Return which ranks are not part of the report, or only up to an earlier update."""
    updates: Mapping[int, int] = {state.rank: state.evidence.observations.run.update for state in others}
    absent = [number for number in range(size) if number != rank and number not in updates]
    late = [number for number, known in updates.items() if known < update]
    lines = []
    if absent:
        text = f"{on_ranks(absent, size)}: nothing was received. A rank that attaches on this machine is seen within a "
        text += "second; on another machine, name a folder that all can read in SPIKECHECK_RANKS"
        lines.append(Unseen(UnseenKind.RANK, text))
    if late:
        least = min(updates[number] for number in late)
        text = f"{on_ranks(late, size)}: observed up to update {least:,} of {update:,} so far"
        lines.append(Unseen(UnseenKind.RANK, text))
    return lines
