"""The result of a search: every value that was tried, the interval that works, and the best value in it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from spikecheck.number_format import number
from spikecheck.report.as_dict import plain
from spikecheck.tuning.bisection import interval
from spikecheck.tuning.plan import Plan
from spikecheck.tuning.trial import Problem, TriedValue

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, repr=False)
class Tuning:
    """What a search for the values of a parameter has shown; printing it shows the table.

    Attributes:
        plan: what was searched.
        tried: every value that was tried, by all processes, in the order of their results.
    """

    plan: Plan
    tried: tuple[TriedValue, ...]

    @property
    def rows(self) -> tuple[TriedValue, ...]:
        """The values that were tried, from the smallest to the largest."""
        return tuple(sorted(self.tried, key=lambda one: one.value))

    @property
    def best(self) -> TriedValue | None:
        """The value that works with the lowest loss at the end; None where none works."""
        working = [one for one in self.rows if one.works and one.last_loss is not None]
        return min(working, key=lambda one: one.last_loss or 0.0, default=None)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The values around the best one that work, the smallest and the largest; None where none works."""
        best = self.best
        inside = () if best is None else interval(self.plan, self.tried, best)
        return (inside[0].value, inside[-1].value) if inside else None

    @property
    def conclusion(self) -> str:
        """The result in one sentence."""
        name, best, inside = self.plan.parameter, self.best, self.interval
        if best is not None and inside is not None:
            span = f"from {number(inside[0])} to {number(inside[1])}" if inside[0] < inside[1] else number(inside[0])
            return f"{name} works {span}; the loss is lowest at {number(best.value)}"
        return f"no {name} from {number(self.plan.low)} to {number(self.plan.high)} works{self.obstacles}"

    @property
    def obstacles(self) -> str:
        """Where the problems lie, from the smallest value to the largest, where each is a single stretch."""
        stretches: list[tuple[Problem, TriedValue]] = []
        for row in self.rows:
            if row.problems and (not stretches or stretches[-1][0].kind is not row.problems[0].kind):
                stretches.append((row.problems[0], row))
        if len(stretches) != 2:
            return f" ({stretches[0][0]})" if len(stretches) == 1 else ""
        (first, _), (second, begin) = stretches
        end = max(row.value for row in self.rows if row.value < begin.value)
        return f" (up to {number(end)}, {first}; from {number(begin.value)}, {second})"

    def to_dict(self) -> dict[str, Any]:
        """Return the result in plain values, as JSON can hold them."""
        best, inside = self.best, self.interval
        return {
            "plan": self.plan.to_dict(),
            "interval": None if inside is None else list(inside),
            "best": None if best is None else best.to_dict(),
            "values": [row.to_dict() for row in self.rows],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return `to_dict()` as JSON, `indent` spaces per level; numbers that are not finite become null."""
        return json.dumps(plain(self.to_dict()), indent=indent, allow_nan=False)

    def to_png(self, path: str | PathLike[str]) -> None:
        """Draw losses and spikes over the values, and write a PNG to `path`; an existing file is replaced.

        Raises:
            SpikecheckError: matplotlib is not installed (`pip install 'spikecheck[html]'`), or the file cannot be
                written.
        """
        from spikecheck.tuning.page import write_png

        write_png(self, path)

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write the table and the drawings to `path`, one HTML file that loads nothing; an existing one is replaced.

        Raises:
            SpikecheckError: jinja2 or matplotlib is not installed (`pip install 'spikecheck[html]'`), or the file
                cannot be written.
        """
        from spikecheck.report.file import write
        from spikecheck.tuning.page import page

        write(path, page(self))

    def __repr__(self) -> str:
        from spikecheck.report.encoding import encodable

        return encodable(f"<Tuning: {self.conclusion}>", getattr(sys.stdout, "encoding", None))

    def __str__(self) -> str:
        """Return the table as text, in characters that standard output can show."""
        from spikecheck.report.encoding import encodable
        from spikecheck.report.terminal import plain_text

        return encodable(plain_text(self), getattr(sys.stdout, "encoding", None))

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from spikecheck.tuning.table import render

        yield from render(self)
