"""What changed between two checkpoints, as a table."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from spikecheck.stored import ChangeReading

WIDE = 30  # columns that a name has at least, where it needs them


def table(changes: Iterable[ChangeReading], before: str, after: str) -> Table:
    """One row a tensor; those that stayed the same are counted below."""
    given = tuple(changes)
    made = Table(
        box=None,
        pad_edge=False,
        header_style="dim",
        title=Text(f"{before} → {after}", style="table.title"),
        title_justify="left",
        caption_justify="left",
    )
    changed = [change for change in given if not change.same]
    longest = max((len(change.name) for change in changed), default=0)
    made.add_column("tensor", overflow="fold", min_width=min(longest, WIDE))
    lost = any(change.lost_elements for change in changed)
    for column in ("what", "step / weights", "largest step", "rms before", "rms after", *["no longer finite"] * lost):
        made.add_column(column, justify="right", min_width=len(max(column.split(), key=len)))
    made.caption = f"{len(given) - len(changed)} of {len(given)} tensors are the same in both"
    for change in changed:
        numbers = (change.relative_change, change.max_change, change.rms_before, change.rms_after)
        shown = ("-" if number is None else f"{number:.3g}" for number in numbers)
        made.add_row(Text(change.name), Text(change.status), *shown, *[str(change.lost_elements)] * lost)
    return made
