"""Follow a run in the terminal while it trains, from its log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from spikecheck.runlog.reader import LoggedRun, LogReader

BLOCKS = 24  # of a sparkline
MAX_ROWS = 40  # of layers
#: The numbers of a point as the table names them, in its order.
QUANTITIES = {
    "loss": "loss",
    "gradient_norm": "gradient norm",
    "update_size": "update size",
    "learning_rate": "learning rate",
    "firing_rate": "firing rate",
}


@click.command(epilog="Exit codes: 0 the run ended, or Ctrl-C was pressed; 2 bad usage or no log.")
@click.argument("log", metavar="LOG")
@click.option("--once", is_flag=True, help="Print what the log says now, and end.")
@click.option(
    "--interval", type=click.FloatRange(0.05), default=1.0, show_default=True, help="Seconds between two looks."
)
def command(log: str, once: bool, interval: float) -> int:
    """Follow the run in LOG, which `spikecheck run --log` or `attach(model, log=...)` writes.

    It ends when the run does; Ctrl-C ends it earlier, and leaves the run alone.
    """
    import time

    from rich.console import Console
    from rich.live import Live

    from spikecheck.runlog.reader import LogReader

    reader, console = LogReader(log), Console()
    reader.advance()
    if once:
        console.print(view(reader))
        return 0
    try:
        with Live(view(reader), console=console, auto_refresh=False) as live:
            while not is_over(reader):
                time.sleep(interval)
                reader.advance()
                live.update(view(reader), refresh=True)
    except KeyboardInterrupt:
        return 0
    return 0


def is_over(reader: LogReader) -> bool:
    """Return whether every run of the latest process has ended."""
    runs = reader.latest()
    return bool(runs) and all(run.ending is not None for run in runs)


def view(reader: LogReader) -> Group:
    """Return what the log says now."""
    from rich.console import Group
    from rich.text import Text

    runs = reader.latest()
    if not runs:
        return Group(Text("the log is empty: the first line comes with the first update"))
    return Group(*(part for run in runs for part in (Text(headline(run), style="bold"), table(run), findings(run))))


def headline(run: LoggedRun) -> str:
    """Return the run in one line: its name, where it is, how fast, and how it ended."""
    from spikecheck.number_format import number
    from spikecheck.report.format import counted

    parts = [run.name, counted(run.update, "update"), f"{run.seconds:,.0f} s"]
    if run.seconds > 0 and run.update:
        parts.append(f"{number(run.update / run.seconds)} updates/s")
    if run.ending is None:
        return " · ".join([*parts, "training"])
    error = run.error
    return " · ".join([*parts, f"ended by {error}" if error else "ended"])


def table(run: LoggedRun) -> Table:
    """Return the quantities of the run, each with its course over the updates and its latest value."""
    from rich.table import Table
    from rich.text import Text

    from spikecheck.number_format import number
    from spikecheck.report.sparkline import sparkline

    rows = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("", "now", "first", "over updates"):
        rows.add_column(name, justify="right" if name in ("now", "first") else "left", no_wrap=True)
    for quantity, label in QUANTITIES.items():
        for place in run.places(quantity)[:MAX_ROWS]:
            points = run.course(quantity, place, BLOCKS)
            first, now = (shown(point.mean, number) for point in (points[0], points[-1]))
            rows.add_row(Text(f"{place} {label}" if place != label else label), now, first, sparkline(points, BLOCKS))
    return rows


def shown(value: float | None, number: Callable[[float], str]) -> str:
    """Return a number of a point; what is not finite is a word."""
    return "non-finite" if value is None else number(value)


def findings(run: LoggedRun) -> Group:
    """Return a line for each root cause that holds."""
    from rich.console import Group
    from rich.text import Text

    from spikecheck.report.terminal import COLORS_BY_LABEL

    lines = [
        Text.assemble(
            (cause.check, COLORS_BY_LABEL.get(cause.severity, "bold")), f" {cause.message} (update {cause.update:,})"
        )
        for cause in run.causes()
    ]
    return Group(*(lines or [Text("no finding so far", style="dim")]), Text())
