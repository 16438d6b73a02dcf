"""Compare two runs by their reports: what differs, where, and from which update on; the earliest difference first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import inf, log2
from typing import Any

from spikecheck.number_format import number
from spikecheck.report.format import counted, without_line

MIN_CHANGE = 0.2  # judgment call: what differs by less than a fifth is not called a difference
MIN_CHANGE_FLUCTUATIONS = 4  # nor what differs by less than this many times what it changes by between two intervals
MIN_LASTING_SHARE = 0.5  # judgment call: of the rest of the run, in which it differs as much
NEGLIGIBLE = 0.01  # of the largest value of a course: changes between values below are of no interest
SET_BY_THE_SCRIPT = "learning rate"  # of what departs in one interval, this comes first: the rest may follow from it
START = -1  # the update of what differs before the first one
SCHEMA = 1

Plain = Mapping[str, Any]  # a report as `Report.to_dict` gives it
Value = float | str | None
#: The courses of a report: its table, the quantity of a point, and what it is called.
COURSES = (
    ("layers", "rate", "firing rate"),
    ("losses", "loss", "loss"),
    ("optimizers", "learning_rate", "learning rate"),
    ("optimizers", "gradient_norm", "gradient norm"),
    ("optimizers", "update_size", "update size"),
)
#: What does not change during a run.
FACTS = {
    "layers": {"threshold": "threshold", "neurons": "neurons", "time_steps": "time steps"},
    "losses": {"function": "function", "classes": "classes"},
    "weights": {"elements": "elements", "initial": "initial scale"},
}
NAMES = {"layers": "layer", "losses": "loss", "optimizers": "optimizer", "weights": "weight"}


@dataclass(frozen=True)
class Difference:
    """A quantity at a place that differs from an update on, and how large the difference becomes, in powers of 2."""

    place: str
    quantity: str
    update: int  # START: before the first update
    before: Value  # in the first run
    after: Value  # in the second one
    largest: float = inf
    courses: tuple[tuple[Value, ...], tuple[Value, ...]] = ((), ())

    @property
    def at_start(self) -> bool:
        """Whether they differ before the first update."""
        return self.update == START

    @property
    def values(self) -> tuple[str, str]:
        """Both values as a report shows them."""
        return shown(self.before), shown(self.after)

    @property
    def since(self) -> str:
        """From when on they differ."""
        if self.at_start:
            return "before the first update"
        return "from the first update on" if self.update == 0 else f"from update {self.update:,} on"

    @property
    def factor(self) -> str:
        """How many times as large it becomes at most, or how many times as small: "x3.2", "/8", "to 0"."""
        if not self.courses[0]:
            return ""
        if self.largest in (inf, -inf):
            return "from 0" if self.largest > 0 else "to 0"
        return f"{'x' if self.largest > 0 else '/'}{number(2 ** abs(self.largest))}"

    def __str__(self) -> str:
        return f"{self.place} {self.quantity}: {' → '.join(self.values)}, {self.since}"


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs. `findings` are those of one run alone: which one, and the finding as JSON."""

    differences: tuple[Difference, ...] = ()
    new_findings: tuple[Plain, ...] = ()  # in the second run alone
    missing_findings: tuple[Plain, ...] = ()  # in the first one alone
    updates: tuple[int, int] = (0, 0)
    names: tuple[str, str] = ("first", "second")
    only: tuple[str, ...] = field(default=())  # places that one of them lacks

    @property
    def headline(self) -> str:
        """Both runs in one line."""
        runs = zip(self.names, self.updates, strict=True)
        return " → ".join(f"{name} ({counted(updates, 'update')})" for name, updates in runs)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.differences or self.new_findings or self.missing_findings or self.only)

    @property
    def earliest(self) -> Difference | None:
        """The difference that comes first."""
        return self.differences[0] if self.differences else None

    @property
    def largest(self) -> Difference | None:
        """The difference with the largest factor; what becomes 0, or was, counts as the largest."""
        courses = [one for one in self.differences if one.courses[0]]
        return max(courses, key=lambda one: abs(one.largest), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON can hold it."""
        from spikecheck.report.as_dict import plain

        made: dict[str, Any] = plain({"schema": SCHEMA, "same": self.same, **asdict(self)})
        return made

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return `to_dict()` as JSON."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def __str__(self) -> str:
        from spikecheck.report.comparison_table import as_text

        return as_text(self)


def compare(first: Plain, second: Plain, names: tuple[str, str] = ("first", "second")) -> Comparison:
    """Return what differs between two reports, each in the form of `Report.to_dict`."""
    differences = [*facts(first, second), *courses(first, second)]
    differences.sort(key=lambda one: (one.update, one.quantity != SET_BY_THE_SCRIPT, -abs(one.largest), one.place))
    ours, theirs = findings(first), findings(second)
    return Comparison(
        tuple(differences),
        tuple(finding for key, finding in theirs.items() if key not in ours),
        tuple(finding for key, finding in ours.items() if key not in theirs),
        (first["updates"], second["updates"]),
        names,
        tuple(only(first, second, names)),
    )


def findings(report: Plain) -> dict[tuple[str, str, str], Plain]:
    """Return the findings that hold at the end of a report, by check and site."""
    causes = [one for cause in report["root_causes"] for one in (cause, *cause["consequences"])]
    return {(one["check"], one["kind"], without_line(one["site"])): one for one in (*causes, *report["notes"])}


def rows(report: Plain, table: str) -> dict[str, Plain]:
    """Return the rows of a table by name: one that is a line of a script may be another line in the other run."""
    every = {row["name"]: row for row in report.get(table, ())}
    moved = {without_line(name): row for name, row in every.items()}
    return moved if len(moved) == len(every) else every


def only(first: Plain, second: Plain, names: tuple[str, str]) -> Iterator[str]:
    """Yield a line for each place that one of the reports lacks."""
    for table, thing in NAMES.items():
        ours, theirs = rows(first, table), rows(second, table)
        yield from (f"{thing} {name} is in {names[0]} alone" for name in ours if name not in theirs)
        yield from (f"{thing} {name} is in {names[1]} alone" for name in theirs if name not in ours)


def facts(first: Plain, second: Plain) -> Iterator[Difference]:
    """Yield what differs before the first update: thresholds, sizes, time steps, the loss, initial weights."""
    for table, quantities in FACTS.items():
        theirs = rows(second, table)
        for name, row in rows(first, table).items():
            if name not in theirs:
                continue
            for key, label in quantities.items():
                before, after = fact(row.get(key)), fact(theirs[name].get(key))
                if before is not None and after is not None and is_other(before, after):
                    yield Difference(name, label, START, before, after)


def fact(value: Any) -> Value:
    """Return a fact as a number or a text."""
    if isinstance(value, Mapping):  # time steps
        fewest, most = value.get("fewest"), value.get("most")
        return str(fewest) if fewest == most else f"{fewest} to {most}"
    return value if isinstance(value, int | float | str) else None


def is_other(before: Value, after: Value) -> bool:
    """Return whether two facts differ; what is a mean over random weights may vary."""
    if isinstance(before, float) and isinstance(after, float):
        return abs(relative_change(before, after)) >= MIN_CHANGE
    return before != after


def courses(first: Plain, second: Plain) -> Iterator[Difference]:
    """Yield the quantities whose courses differ."""
    for table, key, label in COURSES:
        theirs = rows(second, table)
        for name, row in rows(first, table).items():
            if name in theirs:
                place = "" if name == label else name
                yield from departure(place or name, label, row["timeline"], theirs[name]["timeline"], key)


def departure(
    place: str, label: str, first: Sequence[Plain], second: Sequence[Plain], key: str
) -> Iterator[Difference]:
    """Yield where two courses of a quantity depart, if they do, up to the end of the shorter one."""
    starts, ours, theirs = aligned(first, second, key)
    floor = NEGLIGIBLE * max((abs(one) for one in (*ours, *theirs) if one is not None), default=0.0)
    changes = [change_between(a, b, floor) for a, b in zip(ours, theirs, strict=True)]
    limit = max(MIN_CHANGE, MIN_CHANGE_FLUCTUATIONS * max(fluctuation(ours, floor), fluctuation(theirs, floor)))
    beyond = [abs(change) >= min(limit, 1.0) for change in changes]
    at = next((index for index, one in enumerate(beyond) if one and lasts(beyond[index:])), None)
    if at is None:
        return
    most = max(range(at, len(changes)), key=lambda index: abs(changes[index]))
    power = power_between(ours[most], theirs[most], floor)
    yield Difference(
        place, label, starts[at], text_of(ours[at]), text_of(theirs[at]), power,
        (tuple(map(text_of, ours)), tuple(map(text_of, theirs))),
    )  # fmt: skip


def lasts(beyond: Sequence[bool]) -> bool:
    """Return whether a difference lasts: runs with other seeds differ for a while at first."""
    return sum(beyond) >= MIN_LASTING_SHARE * len(beyond)


def aligned(
    first: Sequence[Plain], second: Sequence[Plain], key: str
) -> tuple[list[int], list[float | None], list[float | None]]:
    """Return the starts of the intervals that both courses have, and the values of each: means where one is finer."""
    width = max((p["last_update"] - p["update"] + 1 for points in (first, second) for p in points), default=1)
    both = [by_interval(points, key, width) for points in (first, second)]
    starts = sorted(both[0].keys() & both[1].keys())
    return starts, [both[0][start] for start in starts], [both[1][start] for start in starts]


def by_interval(points: Iterable[Plain], key: str, width: int) -> dict[int, float | None]:
    """Return the mean of a quantity in each interval of so many updates; None where it is not finite or not known."""
    sums: dict[int, tuple[float, int]] = {}
    for point in points:
        start, value, passes = point["update"] // width * width, point[key], point["passes"]
        total, count = sums.get(start, (0.0, 0))
        sums[start] = (total, count) if value is None else (total + value * passes, count + passes)
    return {start: total / count if count else None for start, (total, count) in sums.items()}


def relative_change(before: float, after: float) -> float:
    """Return the change over the larger of both values: -1 where nothing is left."""
    larger = max(abs(before), abs(after))
    return (after - before) / larger if larger else 0.0


def change_between(before: float | None, after: float | None, floor: float) -> float:
    """Return how much two values of courses differ, relative to the larger one; 0 where neither is known."""
    if before is None or after is None:
        return 0.0 if before is after else 1.0
    return 0.0 if max(abs(before), abs(after)) < floor else relative_change(before, after)


def power_between(before: float | None, after: float | None, floor: float) -> float:
    """Return how many times as large the second value is, as a power of 2; infinite where one is 0 or not finite."""
    if before is None or after is None or before * after <= 0 or min(abs(before), abs(after)) < floor * NEGLIGIBLE:
        return inf if after is None or (before is not None and abs(after) >= abs(before)) else -inf
    return log2(after / before)


def fluctuation(values: Sequence[float | None], floor: float) -> float:
    """Return by how much a course usually changes from one interval to the next: the median."""
    changes = sorted(abs(change_between(a, b, floor)) for a, b in pairwise(values) if a is not None and b is not None)
    return changes[len(changes) // 2] if changes else 0.0


def text_of(value: float | None) -> Value:
    """Return a value of a course; what is not finite is a word."""
    return "non-finite" if value is None else value


def shown(value: Value) -> str:
    """Return a value as a report shows it."""
    return value if isinstance(value, str) else "unknown" if value is None else number(value)
