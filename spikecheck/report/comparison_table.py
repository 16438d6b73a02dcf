"""A comparison of two runs in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from spikecheck.report.encoding import encodable
from spikecheck.report.format import counted
from spikecheck.report.sparkline import sparkline
from spikecheck.report.terminal import COLORS_BY_LABEL, plain_text
from spikecheck.timelines import TimelinePoint

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spikecheck.report.comparison import Comparison, Difference, Plain, Value

MAX_NAME = 14  # columns of a heading


def as_text(comparison: Comparison) -> str:
    """Return a comparison as text, in characters that standard output can show."""
    from rich.console import Group

    return encodable(plain_text(Group(*renderables(comparison))), getattr(sys.stdout, "encoding", None))


def renderables(comparison: Comparison) -> Iterator[RenderableType]:
    """Yield the parts from top to bottom: the earliest and the largest difference, all of them, the findings."""
    yield Text(comparison.headline, style="bold")
    yield Rule(style="dim")
    if comparison.same:
        yield Text("nothing differs by more than it fluctuates", style="bold green")
        return
    if comparison.earliest is not None:
        yield Text(f"earliest  {comparison.earliest}")
    if comparison.largest is not None and comparison.largest is not comparison.earliest:
        yield Text(f"largest   {comparison.largest}")
    for line in comparison.only:
        yield Text(line)
    if comparison.differences:
        yield Text()
        yield table(comparison)
    for title, findings in (
        (f"only in {comparison.names[1]}", comparison.new_findings),
        (f"only in {comparison.names[0]}", comparison.missing_findings),
    ):
        if findings:
            yield Text()
            yield Text(f"{title}: {counted(len(findings), 'finding')}", style="bold")
            yield from map(line_of, findings)


def line_of(finding: Plain) -> Text:
    """Return a finding in one line."""
    check = (str(finding["check"]), COLORS_BY_LABEL.get(finding["severity"], "bold"))
    update = finding.get("update")
    when = "" if update is None else f" (update {update:,})"
    return Text.assemble("  ", check, f"  {finding['message']}{when}")


def table(comparison: Comparison) -> Table:
    """Return a row for each difference, in the order of the updates."""
    narrow = all(len(name) <= MAX_NAME for name in comparison.names)
    first, second = comparison.names if narrow else ("first", "second")
    rows = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("from update", "what", first, second, "at most", "over updates"):
        right = name in ("from update", first, second, "at most")
        rows.add_column(name, justify="right" if right else "left", no_wrap=name != "what", overflow="fold")
    for one in comparison.differences:
        since = "start" if one.at_start else f"{one.update:,}"
        what = Text(one.quantity if one.place == one.quantity else f"{one.place} {one.quantity}")
        rows.add_row(since, what, *one.values, one.factor, drawing(one))
    return rows


def drawing(one: Difference) -> str:
    """Return both courses as blocks, one above the other."""
    ours, theirs = one.courses
    return f"{blocks(ours)}\n{blocks(theirs)}" if ours else ""


def blocks(values: tuple[Value, ...]) -> str:
    """Return a course as blocks."""
    points = [
        TimelinePoint(at, at, 1, float(value) if isinstance(value, int | float) else None)
        for at, value in enumerate(values)
    ]
    return sparkline(points)
