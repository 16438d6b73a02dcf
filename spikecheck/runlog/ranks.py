"""Make one report of the logs of several ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from spikecheck.errors import SpikecheckError
from spikecheck.evidence.ranks import Ranks
from spikecheck.finding import Unseen, UnseenKind
from spikecheck.report.model import Report
from spikecheck.report.ranks import on_ranks
from spikecheck.runlog.reader import LoggedRun, read_log, whole
from spikecheck.settings import Settings


def reports_in(logs: Iterable[Path], settings: Settings, *, every: bool = False) -> list[tuple[str, Report]]:
    """Return a headline and a report per run in the logs; the ranks of a run of several processes have one together.

    Raises:
        SpikecheckError: a log cannot be read, or holds no state of a run yet.
    """
    runs: dict[object, list[LoggedRun]] = {}
    for log in logs:
        for number, run in enumerate(read_log(log, every=every)):
            alone = rank_of(run) is None
            runs.setdefault(run.id if alone else (number, run.name), []).append(run)
    return [report_of(group, settings) for group in runs.values()]


def rank_of(run: LoggedRun) -> int | None:
    """Return the rank of the process that wrote a run; None for a single process."""
    rank = run.start.get("rank")
    return None if rank is None else whole(rank)


def report_of(runs: Sequence[LoggedRun], settings: Settings) -> tuple[str, Report]:
    """Return the headline and the report of one run from the logs of its ranks.

    The first rank knows at its end what all of them counted. Before that, each log knows of its rank alone.
    """
    first = min(runs, key=lambda run: rank_of(run) or 0)
    reports = {rank_of(run): run.report(settings) for run in runs}
    if len(reports) < len(runs):
        raise SpikecheckError(f"two logs are of rank {rank_of(first)} of {first.name}: pass the logs of one launch")
    whole_run = [report for report in reports.values() if report.ranks]
    own = reports[rank_of(first)]
    size = whole(first.start.get("ranks", 1))
    if whole_run or size == 1:
        return first.headline, max([own, *whole_run], key=lambda report: (len(report.ranks), report.updates))
    known = {rank: report for rank, report in reports.items() if rank is not None}
    joint = Ranks.of(known, size, max(report.updates for report in known.values())).joined(own)
    text = f"the numbers are those {on_ranks([min(known)], size)} alone: ranks are added up when the run ends"
    lines = [Unseen(UnseenKind.RANK, text)]
    if absent := [rank for rank in range(size) if rank not in known]:
        lines.append(Unseen(UnseenKind.RANK, f"{on_ranks(absent, size)}: no log was passed"))
    return first.headline, joint.with_unseen(*lines)
