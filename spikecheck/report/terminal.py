"""The report in a terminal, in a log file and in a notebook: one layout, drawn by rich."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.padding import Padding
from rich.rule import Rule
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from spikecheck.diagnosis import Cause
from spikecheck.finding import Finding, Outcome, Severity
from spikecheck.report.encoding import encodable
from spikecheck.report.format import by_check, distinct, other_sites, short

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType

    from spikecheck.report.model import LayerRow, Report

COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
BADGES = {
    Severity.ERROR: "bold white on red",
    Severity.WARNING: "bold black on yellow",
    Severity.NOTE: "bold black on cyan",
}
WIDTH = 80  # of a log file, or wherever nobody says how wide it is


def plain_text(report: Report, width: int = WIDTH) -> str:
    """The report without colour, for `print` and for log files."""
    console = Console(file=StringIO(), width=width, color_system=None, legacy_windows=False, force_jupyter=False)
    console.print(report)
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def html(report: Report) -> str:
    """The report for a notebook: the same layout, in a `pre`."""
    console = Console(record=True, file=StringIO(), width=100, force_jupyter=False)
    console.print(report)
    style = "font-family:ui-monospace,monospace;line-height:1.3;white-space:pre;overflow-x:auto"
    return console.export_html(inline_styles=True, code_format=f'<pre style="{style}">{{code}}</pre>')


def render(report: Report, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
    """Yield the report for a console, in characters that its stream can show."""
    for segment in console.render(Group(*renderables(report)), options):
        yield Segment(encodable(segment.text, options.encoding), segment.style, segment.control)


def renderables(report: Report) -> Iterator[RenderableType]:
    """The report from top to bottom."""
    cost = "" if report.cost is None else f"  cost {report.cost:.1%}"  # apart from a headline that fills its line
    head = Table.grid(expand=True)
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    head.add_row(Text(report.headline, style="bold"), cost)
    yield head
    yield Rule(style="dim")
    if report.ok:
        yield Text(report.conclusion, style="bold green")
    for cause in report.root_causes:
        yield from cause_block(cause)
    for note in report.diagnosis.notes:
        yield from note_block(note)
    if report.layers:
        yield Text()
        yield layer_table(report.layers)
    yield Text()
    yield from summary(report)


def cause_block(cause: Cause) -> Iterator[RenderableType]:
    """A root cause with its evidence, and what followed from it."""
    finding = cause.finding
    yield Text()
    yield Text.assemble(
        (" ROOT CAUSE ", BADGES[finding.severity]),
        "  ",
        (f"{finding.check} {finding.slug}", "bold"),
        f"  {finding.message}",
    )
    yield Padding(evidence(finding), (0, 0, 0, 3))
    if cause.consequences:
        yield Padding(Text("which led to", style="italic"), (0, 0, 0, 1))
        rows = Table.grid(padding=(0, 2))
        rows.add_column(no_wrap=True)
        rows.add_column()
        for led in by_check(cause.consequences):
            rows.add_row(Text(led[0].check, style=COLOURS[led[0].severity]), Text(led[0].message + other_sites(led)))
        yield Padding(rows, (0, 0, 0, 3))


def note_block(note: Finding) -> Iterator[RenderableType]:
    """Something unusual that may well be meant."""
    yield Text()
    name = f"{note.check} {note.slug}"
    yield Text.assemble((" NOTE ", BADGES[note.severity]), "  ", (name, "bold"), f"  {note.message}")
    yield Padding(evidence(note, fix=False), (0, 0, 0, 3))


def evidence(finding: Finding, *, fix: bool = True) -> RenderableType:
    """Seen, expected, because, when, fix."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column()
    rows.add_row("observed", Text(finding.observed.text))
    rows.add_row("expected", Text(finding.expected.text))
    if finding.expected.because:
        rows.add_row("because", Text(finding.expected.because))
    rows.add_row("since", Text(str(finding.when)))
    if fix and finding.fix:
        rows.add_row("fix", Text(finding.fix, style="green"))
    return Group(rows)


def layer_table(layers: tuple[LayerRow, ...]) -> Table:
    """What each spiking layer did: the numbers that one would otherwise print by hand."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("layer", overflow="fold")
    for name in ("max/step", "values", "rate", "counts", "silent", "saturated"):
        table.add_column(name, justify="right")
    for row in layers:
        spikes = row.spikes
        table.add_row(
            Text(row.name),
            short(spikes.maximum),
            distinct(spikes.values),
            "-" if spikes.rate is None else f"{spikes.rate:.3g}",
            f"{short(spikes.min_count)}..{short(spikes.max_count)}",
            f"{spikes.silent_neurons}/{spikes.neurons}",
            f"{spikes.saturated_neurons}/{spikes.neurons}",
        )
    return table


def summary(report: Report) -> Iterator[RenderableType]:
    """How many checks said what, what was not seen, and where to read on."""
    clear, none, unseen = (
        len(report.answered(answer)) for answer in (Outcome.PASSED, Outcome.NOT_APPLICABLE, Outcome.COULD_NOT_RUN)
    )
    line = f"{clear} checks passed · {none} not applicable · {unseen} could not run"
    if report.findings:
        line += f" · `spikecheck explain {report.findings[0].check}` for more"
    yield Text(line, style="dim")
    for reason in report.unseen:
        yield Text(f"incomplete: {reason}", style="yellow")
    for ignored in (text for verdict in report.verdicts for text in verdict.ignored):
        yield Text(f"ignored: {ignored}", style="dim")
