"""Record during which updates each finding held: bounded in size, and mergeable across ranks and resumed runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from spikecheck.finding import Finding, FindingState, Interval

Key = tuple[str, str, str]  # of a finding: check, kind of site, site

#: A pause shorter than this part of the updates so far is no pause. It bounds the intervals of a record, and since it
#: depends on the number of updates alone, ledgers can be merged in any order.
PAUSES_PER_RUN = 16
MIN_INTERVALS = 3  # judgment call: what came back twice comes and goes, what came back once may have been repaired late
NEVER = -1


@dataclass(frozen=True, slots=True)
class Record:
    """One finding over the run: as it was at worst, when it held, and when an evaluation last did not make it."""

    finding: Finding
    intervals: tuple[Interval, ...]
    last_absent: int = NEVER

    @property
    def last(self) -> int:
        """The last update at which it held."""
        return self.intervals[-1].last

    @property
    def is_open(self) -> bool:
        """Whether it held at the latest evaluation."""
        return self.last_absent <= self.last

    @property
    def past_state(self) -> FindingState:
        """What it is where it holds no longer."""
        return FindingState.INTERMITTENT if len(self.intervals) >= MIN_INTERVALS else FindingState.OVER

    def merged(self, other: Record, update: int) -> Record:
        """Return the record of both; `update` is the latest update of either ledger."""
        worst = max(self.finding, other.finding, key=gravity)
        intervals = joined((*self.intervals, *other.intervals), update)
        return Record(worst, intervals, max(self.last_absent, other.last_absent))


def gravity(finding: Finding) -> tuple[int, int, float, str]:
    """Return the order by which the worst of two findings of one key is chosen: of equals the earlier one."""
    return finding.severity, -finding.when.update, finding.excess, finding.message


def joined(intervals: Iterable[Interval], update: int) -> tuple[Interval, ...]:
    """Return the intervals in order, joined where the pause between them is short for a run of so many updates."""
    pause, result = max(1, update // PAUSES_PER_RUN), list[Interval]()
    for interval in sorted(intervals, key=lambda one: (one.first, one.last)):
        if result and interval.first - result[-1].last <= pause:
            result[-1] = Interval(result[-1].first, max(result[-1].last, interval.last))
        else:
            result.append(interval)
    return tuple(result)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The records of a run by key, and the update of the latest evaluation."""

    records: Mapping[Key, Record] = field(default_factory=lambda: MappingProxyType({}))
    update: int = 0

    @classmethod
    def of(cls, records: Iterable[Record], update: int) -> Ledger:
        """Return the ledger of these records, one per key; its update is no earlier than any of theirs."""
        known = {record.finding.key: record for record in records}
        latest = max((r for record in known.values() for r in (record.last, record.last_absent)), default=update)
        update = max(update, latest)
        return cls({key: replace(r, intervals=joined(r.intervals, update)) for key, r in known.items()}, update)

    def of_check(self, check: str) -> dict[Key, Record]:
        """Return the records of one check."""
        return {key: record for key, record in self.records.items() if record.finding.check == check}

    def observe(self, active: Iterable[Finding], update: int) -> Ledger:
        """Return the ledger after an evaluation at this update, which found these findings to hold, and no others."""
        update = max(update, self.update)
        records = {key: replace(r, last_absent=max(r.last_absent, update)) for key, r in self.records.items()}
        for finding in active:
            before = self.records.get(finding.key)
            start = update
            if before is None and not finding.when.stored:
                start = min(finding.when.update, update)
            elif before is not None and before.is_open:
                start = before.last
            now = Record(finding, (Interval(start, update),))
            records[finding.key] = now if before is None else before.merged(now, update)
        return Ledger.of(records.values(), update)

    def merge(self, other: Ledger) -> Ledger:
        """Return one ledger of two: of two ranks, or of a run and the run that resumed it."""
        update = max(self.update, other.update)
        records = dict(self.records)
        for key, record in other.records.items():
            records[key] = records[key].merged(record, update) if key in records else record
        return Ledger.of(records.values(), update)


EMPTY = Ledger()
