"""Follow a run in the terminal while it trains, from its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from spikecheck.runlog.reader import LoggedRun, LogReader

BLOCKS = 24  # of a sparkline
MAX_ROWS = 40  # of layers
LONGER = 1.1  # times the seconds of the latest line with numbers, to the next: some 80 in an hour
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

    It ends when the run does; Ctrl-C ends it earlier, and leaves the run alone. Where the output is no terminal, there
    is a line for each finding as it comes, and now and then one for the numbers.
    """
    import time
    from contextlib import suppress

    from rich.console import Console
    from rich.live import Live

    from spikecheck.runlog.reader import LogReader

    reader, console = LogReader(log), Console()
    reader.advance()
    if once:
        console.print(view(reader))
        return 0
    with suppress(KeyboardInterrupt):
        if not console.is_terminal:
            print_lines(reader, interval)
            return 0
        with Live(view(reader), console=console, auto_refresh=False) as live:
            while not is_over(reader):
                time.sleep(interval)
                reader.advance()
                live.update(view(reader), refresh=True)
    return 0


def print_lines(reader: LogReader, interval: float) -> None:
    """Print what is new at each look, until the run ends or nobody reads it any more."""
    import os
    import sys
    import time

    followed: dict[str, Followed] = {}
    try:
        while True:
            over = is_over(reader)
            for run in reader.latest():
                for line in followed.setdefault(run.id, Followed()).news(run):
                    click.echo(line)
            if over:
                return
            time.sleep(interval)
            reader.advance()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it flushes


@dataclass
class Followed:
    """What was printed of a run."""

    findings: frozenset[tuple[str, str]] = frozenset()
    seconds: float = -1.0  # those of the latest line with numbers
    ended: bool = False

    def news(self, run: LoggedRun) -> Iterator[str]:
        """Yield a line per finding that is new or over, and one with the numbers where the run took 10% longer."""
        holding = frozenset(run.findings)
        for cause in run.causes():
            if (cause.check, cause.site) not in self.findings:
                yield f"update {cause.update:,} · {cause.check} {cause.severity} · {cause.message}"
        for check, site in sorted(self.findings - holding):
            yield f"update {run.update:,} · {check} is over · {site}"
        self.findings, ended = holding, run.ending is not None
        if run.seconds > LONGER * self.seconds or ended > self.ended:
            self.seconds, self.ended = run.seconds, ended
            yield " · ".join([headline(run), *numbers(run)])


def numbers(run: LoggedRun) -> Iterator[str]:
    """Yield the latest losses and firing rates of a run."""
    from spikecheck.number_format import number

    for quantity in ("loss", "firing_rate"):
        for place in run.places(quantity)[:MAX_ROWS]:
            latest = run.course(quantity, place, BLOCKS)[-1].mean
            yield f"{label(quantity, place)} {shown(latest, number)}"


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
    for quantity in QUANTITIES:
        for place in run.places(quantity)[:MAX_ROWS]:
            points = run.course(quantity, place, BLOCKS)
            first, now = (shown(point.mean, number) for point in (points[0], points[-1]))
            rows.add_row(Text(label(quantity, place)), now, first, sparkline(points, BLOCKS))
    return rows


def label(quantity: str, place: str) -> str:
    """Return a quantity at a place as a user reads it: lif1 firing rate."""
    name = QUANTITIES[quantity]
    return f"{place} {name}" if place != name else name


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
