"""The report in a terminal, a log file and a notebook: one layout, drawn with rich."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console, Group
from rich.padding import Padding
from rich.rule import Rule
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from spikecheck.diagnosis import Cause, may_have_caused
from spikecheck.finding import Finding, Severity
from spikecheck.number_format import number, percentage
from spikecheck.report.encoding import encodable
from spikecheck.report.examined import ExperimentOutcome, ExperimentRow
from spikecheck.report.format import (
    by_check,
    first_seen,
    ignore_hint,
    other_sites,
    past_line,
    short,
    summary,
    suspicion,
    time_steps,
)
from spikecheck.report.ranks import rank_cells
from spikecheck.report.sparkline import sparkline
from spikecheck.report.state import ReportState
from spikecheck.report.treated import Healing, Verdict, copy_cells, treatment_result

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType

    from spikecheck.report.model import LayerRow, Report
    from spikecheck.report.ranks import RankRow

COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
COLORS_BY_LABEL = {severity.label: color for severity, color in COLORS.items()}  # as JSON and logs name them
BADGES = {
    Severity.ERROR: "bold white on red",
    Severity.WARNING: "bold black on yellow",
    Severity.NOTE: "bold black on cyan",
}
LABELS = 10  # columns of "first seen", the longest label
WIDTH = 80  # of a log file, and of every stream of unknown width
NARROWEST, WIDEST = 60, 140  # of what `print` shows in a terminal


def printed_width() -> int:
    """Return the width in which `print` shows a report: that of the terminal, where standard output is one."""
    try:
        terminal = sys.stdout.isatty()
    except (AttributeError, ValueError):  # no stream, as under pythonw, or one that is closed
        terminal = False
    return min(max(shutil.get_terminal_size((WIDTH, 24)).columns, NARROWEST), WIDEST) if terminal else WIDTH


def plain_text(shown: Any, width: int | None = None) -> str:
    """Return a report, or whatever else draws itself in a terminal, without color, for `print` and for log files."""
    width = printed_width() if width is None else width
    console = Console(file=StringIO(), width=width, color_system=None, legacy_windows=False, force_jupyter=False)
    console.print(shown, crop=False)
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def print_on(console: Console, shown: Any) -> None:
    """Print on a console; to a file or a pipe, without the blanks with which rich fills its lines."""
    if console.is_terminal:
        console.print(shown, crop=False)
    else:
        print(encodable(plain_text(shown, console.width), console.encoding), file=console.file)


def html(report: Report) -> str:
    """Return the report for a notebook: the same layout in a `pre` element, on white, whatever the notebook's theme."""
    console = Console(record=True, file=StringIO(), width=100, force_jupyter=False)
    console.print(report, crop=False)
    style = "font-family:ui-monospace,monospace;line-height:1.3;white-space:pre;overflow-x:auto;"
    style += "color:#1f2328;background:#fff;padding:8px"
    return console.export_html(inline_styles=True, code_format=f'<pre style="{style}">{{code}}</pre>')


def render(report: Report, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
    """Yield the report for a console, in characters that its stream can show."""
    for line in Segment.split_lines(console.render(Group(*renderables(report)), options)):
        for segment in without_trailing_blanks(line):
            yield Segment(encodable(segment.text, options.encoding), segment.style, segment.control)
        yield Segment.line()


def without_trailing_blanks(line: list[Segment]) -> list[Segment]:
    """Return a line without the blanks with which rich fills its tables: they have no place in a log file."""
    while line and not line[-1].text.strip(" ") and not line[-1].control:
        line = line[:-1]
    if line and not line[-1].control:
        line = [*line[:-1], Segment(line[-1].text.rstrip(" "), line[-1].style)]
    return line


def renderables(report: Report) -> Iterator[RenderableType]:
    """Yield the parts of the report from top to bottom."""
    cost = "" if report.cost is None else f"+{percentage(report.cost)} time"
    if cost and report.start_cost is not None:
        cost += f" (start +{percentage(report.start_cost)})"
    yield Headline(report.headline, cost)
    yield Rule(style="dim")
    if report.undetermined or report.state is not ReportState.PROBLEMS:
        style = "bold yellow" if not report.ok else "bold" if report.reservation else "bold green"
        yield Text(report.conclusion, style=style)
    for cause in report.root_causes:
        yield from cause_block(cause, "SYMPTOM" if report.undetermined else "ROOT CAUSE")
    for note in report.diagnosis.notes:
        yield from note_block(note)
    if report.history:
        yield Text()
        yield history_table(report)
    if report.layers:
        yield Text()
        yield layer_table(report.layers)
    if len(report.ranks) > 1:
        yield Text()
        yield rank_table(report.ranks)
    if report.experiments:
        yield Text()
        yield experiment_table(report.experiments)
    if report.healing is not None:
        yield Text()
        yield from healing_block(report.healing)
    yield Text()
    yield from footer(report)


@dataclass(frozen=True)
class Headline:
    """The first line, with the cost at its end; in a line of its own where both do not fit."""

    text: str
    cost: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield one or two lines."""
        text, gap = Text(self.text, style="bold"), options.max_width - cell_len(self.text) - cell_len(self.cost)
        if self.cost and gap > 1:
            yield text.append(f"{' ' * gap}{self.cost}", style="not bold")
        else:
            yield text
            if self.cost:
                yield Text(self.cost, justify="right")


@dataclass(frozen=True)
class Code:
    """Code beside its label, never wrapped: a line that is longer than the terminal stays whole, and can be pasted."""

    label: str
    code: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Yield each line of the code behind the column of the labels."""
        for row, line in enumerate(self.code.splitlines()):
            label = self.label if row == 0 else ""
            yield Segment(" " * 3)
            yield Segment(f"{label:{LABELS}}", console.get_style("dim"))
            yield Segment(line, console.get_style("green"))
            yield Segment.line()


def cause_block(cause: Cause, badge: str) -> Iterator[RenderableType]:
    """Yield a root cause with its evidence, its consequences and its fix."""
    finding = cause.finding
    yield Text()
    yield heading(badge, finding)
    yield Padding(details(finding, cause.consequences), (0, 0, 0, 3))
    if finding.fix:
        yield Code("fix", finding.fix)


def note_block(note: Finding) -> Iterator[RenderableType]:
    """Yield a note: unusual, and possibly intended."""
    yield Text()
    yield heading("NOTE", note)
    yield Padding(details(note), (0, 0, 0, 3))


def heading(badge: str, finding: Finding) -> Text:
    """Return the first line of a finding."""
    check = (f"{finding.check} {finding.slug}", "bold")
    return Text.assemble((f" {badge} ", BADGES[finding.severity]), "  ", check, f"  {finding.message}")


def details(finding: Finding, consequences: tuple[Finding, ...] = ()) -> Table:
    """Return what was observed and expected, why, when, what it led to, and how to ignore it."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("observed", Text(finding.observed.text))
    rows.add_row("expected", Text(finding.expected.text))
    if finding.expected.because:
        rows.add_row("because", Text(finding.expected.because))
    rows.add_row("first seen", Text(first_seen(finding)))
    if consequences:
        effects = Table.grid(padding=(0, 2))
        effects.add_column(no_wrap=True)
        effects.add_column(overflow="fold")
        for group in by_check(consequences):
            check = Text(group[0].check, style=COLORS[group[0].severity])
            effects.add_row(check, Text(group[0].message + other_sites(group)))
        rows.add_row("led to", effects)
    rows.add_row("ignore", Text(ignore_hint(finding), style="dim"))
    return rows


def history_table(report: Report) -> Table:
    """Return a line for each finding that holds no longer, and under it what it may have caused."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number_, past in enumerate(report.history):
        lines = [past_line(past), *map(suspicion, by_check(may_have_caused(past, report.findings)))]
        table.add_row("" if number_ else "history", Text(past.check), Text("\n".join(lines)))
    return table


def layer_table(layers: tuple[LayerRow, ...]) -> Table:
    """Return the activity of each spiking layer as a table: recent, and, after some updates, its course.

    In a narrow terminal, names are wrapped rather than numbers.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("layer", overflow="fold")
    table.add_column("time steps", overflow="fold")
    course = any(row.timeline is not None and len(row.timeline.points) > 1 for row in layers)
    table.add_column("rate now" if course else "rate", justify="right", overflow="fold", no_wrap=True)
    if course:
        table.add_column("first", justify="right", overflow="fold", no_wrap=True)
        table.add_column("trend", overflow="fold", no_wrap=True)
    for name in ("max/step", "silent", "saturated"):
        table.add_column(name, justify="right", overflow="fold", no_wrap=True)
    for row in layers:
        spikes, timeline = row.latest, row.timeline
        points = () if timeline is None else timeline.points
        counts = (f"{count:,}/{spikes.neurons:,}" for count in (row.silent_now, row.saturated_now))
        table.add_row(
            Text(row.title),
            time_steps(None if timeline is None else timeline.time_steps),
            rate(row.rate_now),
            *([rate(points[0].mean if points else None), sparkline(points)] if course else []),
            short(spikes.maximum),
            *(counts if row.neurons_known else ("-", "-")),
        )
    return table


def rank_table(rows: tuple[RankRow, ...]) -> Table:
    """Return what each rank observed, so that one that differs is seen."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    head, *cells = rank_cells(rows)
    for name in head:
        table.add_column(Text(name), justify="right", overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    return table


HEALING_STYLES = {Verdict.CURED: "bold green", Verdict.HEALTHY: "green"}


def experiment_table(rows: tuple[ExperimentRow, ...]) -> Table:
    """Return what each experiment on a copy of the network showed, or why it was not made."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("experiment", overflow="fold", max_width=22)
    table.add_column("result", overflow="fold")
    for row in rows:
        done = row.outcome is ExperimentOutcome.DONE
        text = row.text if done else f"{row.outcome.value}: {row.text}"
        table.add_row(Text(row.name), Text(text, style="" if done else "dim"))
    return table


def healing_block(healing: Healing) -> Iterator[RenderableType]:
    """Yield the verdict, a line for each treatment with loss and symptoms before and after, and the code of a cure."""
    yield Text(f"{label(healing)}  {healing.text}", style=HEALING_STYLES.get(healing.verdict, "bold yellow"))
    if not healing.rows:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("treatment", "result", "loss", "accuracy", "symptoms"):
        table.add_column(title, overflow="fold", max_width=44 if title in ("treatment", "result") else None)
    if healing.untreated is not None:
        table.add_row("none", "", *copy_cells(healing.untreated))
    for row in healing.rows:
        cells = ("", "", "") if row.copy is None else copy_cells(row.copy)
        table.add_row(Text(row.name), Text(treatment_result(row), style="green" if row.proved else "dim"), *cells)
    yield table
    if healing.cure is not None:
        yield Code("patch", healing.cure.patch)


def label(healing: Healing) -> str:
    """Return the first word of the block."""
    return "PROVED" if healing.verdict is Verdict.CURED else "TREATMENTS"


def rate(value: float | None) -> str:
    """Return a firing rate for the table."""
    return "-" if value is None else number(value)


def footer(report: Report) -> Iterator[RenderableType]:
    """Yield the counts of verdicts, what was not observed, what is ignored, and where to read more."""
    yield Text(summary(report), style="dim")
    for reason in report.incomplete:
        yield Text(f"incomplete: {reason}", style="yellow")
    for ignored in (text for verdict in report.verdicts for text in verdict.ignored):
        yield Text(f"ignored: {ignored}", style="dim")
    if report.findings:
        yield Text(f"more: spikecheck explain {report.findings[0].check}", style="dim")
