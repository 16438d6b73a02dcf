"""The changes between two checkpoints as a table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from spikecheck.number_format import number
from spikecheck.report.format import counted
from spikecheck.stored import ChangeReading

WIDE = 30  # least width of the column of names, in characters


def table(changes: Iterable[ChangeReading], before: str, after: str) -> Table:
    """Return a table with a row per changed tensor; unchanged tensors are counted below it."""
    every = tuple(changes)
    result = Table(
        box=None,
        pad_edge=False,
        header_style="dim",
        title=Text(f"{before} → {after}", style="table.title"),
        title_justify="left",
        caption_justify="left",
    )
    changed = [change for change in every if not change.same]
    longest = max((len(change.name) for change in changed), default=0)
    result.add_column("tensor", overflow="fold", min_width=min(longest, WIDE))
    lost = any(change.lost_elements for change in changed)
    for column in (
        "change",
        "relative change",
        "largest change",
        "RMS before",
        "RMS after",
        *["now non-finite"] * lost,
    ):
        result.add_column(column, justify="right", min_width=len(max(column.split(), key=len)))
    result.caption = f"{len(every) - len(changed):,} of {counted(len(every), 'tensor')} unchanged"
    for change in changed:
        numbers = (change.relative_change, change.max_change, change.rms_before, change.rms_after)
        shown = ("-" if value is None else number(value) for value in numbers)
        result.add_row(Text(change.name), Text(change.status), *shown, *[number(change.lost_elements)] * lost)
    return result
