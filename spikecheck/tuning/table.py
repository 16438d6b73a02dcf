"""The values that were tried, as a table in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spikecheck.number_format import number
from spikecheck.tuning.trial import Problem, ProblemKind

if TYPE_CHECKING:
    from spikecheck.tuning.result import Tuning
    from spikecheck.tuning.trial import TriedValue

TITLES = ("max/step", "at output", "counts", "loss")
WORKS, BEST = "works", "best"
SHOWN = 2  # problems of one value


def render(tuning: Tuning) -> Iterator[Any]:
    """Yield the table, the conclusion, and the code that sets the best value."""
    yield table(tuning.plan.parameter, tuning.rows, tuning.best)
    yield Text("")
    yield Text(tuning.conclusion, style="bold green" if tuning.best is not None else "bold red")
    if tuning.best is not None and tuning.best.code:
        yield Padding(Text(tuning.best.code), (0, 0, 0, 2))
    elif tuning.best is None:
        yield Text("Changing it alone does not help: spikecheck.attach(model) names the cause and a fix.", style="dim")


def table(parameter: str, rows: Sequence[TriedValue], best: TriedValue | None = None) -> Table:
    """Return the table of these values; those that work are marked."""
    shown = Table(box=None, header_style="dim", pad_edge=False)
    shown.add_column("", width=1)
    shown.add_column(parameter, justify="right", no_wrap=True)
    for title in TITLES:
        shown.add_column(title, justify="right")
    shown.add_column("result", overflow="fold")
    for row in rows:
        shown.add_row(*cells(row, row == best), style="green" if row.works else "")
    return shown


def cells(row: TriedValue, is_best: bool) -> Iterable[str]:
    """Return what the table shows of one value."""
    mark = "*" if is_best else "•" if row.works else ""
    outcome = "; ".join(map(str, telling(row))) or (BEST if is_best else WORKS)
    return mark, number(row.value), amount(row.max_per_step), amount(row.output_max), row.counts, row.losses, outcome


def telling(row: TriedValue) -> Sequence[Problem]:
    """Return the problems that say most: what follows from another one, as a loss that does not fall, says little."""
    implied = [ProblemKind.LOSS]
    if row.outcome is ProblemKind.SEVERAL_SPIKES:
        implied.append(ProblemKind.OUT_OF_RANGE)
    return ([one for one in row.problems if one.kind not in implied] or row.problems)[:SHOWN]


def amount(value: float | None) -> str:
    """Return a number of spikes; "-" where none is known."""
    return "-" if value is None else number(int(value) if value == int(value) and abs(value) < 1e6 else value)
