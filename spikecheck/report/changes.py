"""What changed between two checkpoints, as a table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from spikecheck.stored import ChangeReading


def table(changes: Iterable[ChangeReading], before: str, after: str) -> Table:
    """One row a tensor; those that stayed the same are counted below."""
    given = tuple(changes)
    same = sum(change.what == "same" for change in given)
    made = Table(
        box=None,
        pad_edge=False,
        header_style="dim",
        title=Text(f"{before} → {after}", style="table.title"),
        title_justify="left",
        caption_justify="left",
    )
    made.add_column("tensor", overflow="fold")
    for column in ("what", "step / weights", "largest step", "rms before", "rms after"):
        made.add_column(column, justify="right", no_wrap=column == "what")
    made.caption = f"{same} of {len(given)} tensors are the same in both"
    for change in (change for change in given if change.what != "same"):
        lost = f", {change.lost} no longer finite" if change.lost else ""
        numbers = (change.relative, change.largest, change.before, change.after)
        shown = ("-" if number is None else f"{number:.3g}" for number in numbers)
        made.add_row(Text(change.name), Text(change.what + lost), *shown)
    return made
