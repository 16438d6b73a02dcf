"""Make one evidence of what several ranks observed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spikecheck.evidence.evidence import Evidence
from spikecheck.evidence.ranks import OF_THE_DATA, Ranks
from spikecheck.finding import Unseen, UnseenKind
from spikecheck.ranks.exchange import Exchange, RankState
from spikecheck.ranks.pack import CARRIED, pack_engine, unpack_engine
from spikecheck.report.model import Report
from spikecheck.report.ranks import on_ranks
from spikecheck.stats.engine import Engine, Windows

MAX_AT_END = 64  # ranks that a run ends with a report on, unasked; judgment call: of a large network, a minute or two
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


def evidence_of_run(
    exchange: Exchange, evidence: Callable[[Sequence[Engine]], Evidence], report_of: Callable[[Evidence], Report]
) -> Evidence:
    """Return the evidence of the whole run: what all data shows, and what each rank shows of its own.

    `evidence` returns that of this rank, or, with the engines of others, of all.
    """
    exchange.write()
    rank, size, own = exchange.process.rank, exchange.process.size, evidence(())
    exchange.look()
    others = exchange.read()  # last, for what is written meanwhile
    joint = evidence([one.engine for one in others]) if others else own
    reports = {rank: report_of(own), **{state.rank: report_of(state.evidence) for state in others[:MAX_JUDGED]}}
    absent = missing(rank, size, joint.observations.run.update, others)
    return replace(joint, unseen=(*joint.unseen, *absent), ranks=Ranks.of(reports, size, joint.updates))


def evidence_at_end(
    exchange: Exchange,
    evidence: Callable[[Sequence[Engine]], Evidence],
    report_of: Callable[[Evidence], Report],
    *,
    failed: bool,
) -> Evidence:
    """Return the evidence for the last report of a rank: of the whole run on the first one, and on one that failed.

    Of very many ranks it is of this one alone: a job should not stay on all its machines until a thousand files are
    read. `report()` reads them.
    """
    rank, size = exchange.process.rank, exchange.process.size
    if rank and not failed:
        return evidence(())
    if size <= MAX_AT_END:
        return evidence_of_run(exchange, evidence, report_of)
    own, text = evidence(()), f"the numbers are those {on_ranks([rank], size)} alone: monitor.report() reads all ranks"
    return replace(own, unseen=(*own.unseen, Unseen(UnseenKind.RANK, text)))


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
