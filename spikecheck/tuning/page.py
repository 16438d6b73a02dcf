"""The result of a search as pictures: a PNG, and a page with the table."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikecheck.errors import SpikecheckError
from spikecheck.number_format import number
from spikecheck.report.html import required
from spikecheck.tuning.table import TITLES, cells

if TYPE_CHECKING:
    from spikecheck.tuning.result import Tuning
    from spikecheck.tuning.trial import TriedValue

WIDE = (420, 240)  # units of the page
LOG_FROM = 20  # ratio of largest to smallest number from which the axis is logarithmic, as on the report's page
#: What a picture shows: its title, its unit, and the numbers of one value.
LOSSES = "Loss at the end (x: does not work)", "loss"
SPIKES = "Most spikes per time step, any layer (x: does not work)", "spikes per step"


def page(tuning: Tuning) -> str:
    """Return the page; SpikecheckError where jinja2 or matplotlib is not installed."""
    required()
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from spikecheck.report.html.text import visible

    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, finalize=visible
    )
    style = (folder.parent / "report" / "html" / "style.css").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        tuning=tuning,
        style=Markup(style),
        titles=("", tuning.plan.parameter, *TITLES, "result"),
        rows=[(row.works, list(cells(row, row == tuning.best))) for row in tuning.rows],
        pictures=pictures(tuning),
    )


def pictures(tuning: Tuning) -> list[Any]:
    """Return the drawings as SVG in the colors of the page."""
    from spikecheck.report.html.canvas import ALERT, BAND, MAIN, drawing, svg

    drawn = []
    for at, (title, _) in enumerate((LOSSES, SPIKES)):
        with drawing(WIDE, title, tuning.conclusion) as (picture, axes):
            draw(axes, tuning, at, (MAIN, ALERT, BAND))
            drawn.append((title, svg(picture, f"tuning{at}")))
    return drawn


def write_png(tuning: Tuning, path: str | PathLike[str]) -> None:
    """Draw both pictures below each other into a PNG."""
    required()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6), layout="constrained")
    FigureCanvasAgg(figure)
    for at, axes in enumerate(figure.subplots(2, 1, sharex=True)):
        draw(axes, tuning, at, ("#2a6fb5", "#b3261e", "#e3ebe6"))
        axes.set_title((LOSSES, SPIKES)[at][0], loc="left", fontsize=10)
    figure.suptitle(tuning.conclusion, fontsize=10, wrap=True)
    try:
        figure.savefig(path, dpi=120, format="png")
    except OSError as error:
        raise SpikecheckError(f"{path} cannot be written: {error.strerror}") from error


def draw(axes: Any, tuning: Tuning, at: int, colors: tuple[str, str, str]) -> None:
    """Draw the values that work and those that do not, and the interval as a band."""
    from spikecheck.report.html.plots import plain_log

    main, alert, band = colors
    known = [(row, height) for row in tuning.rows if (height := height_of(row, at)) is not None]
    if tuning.interval is not None:
        axes.axvspan(*tuning.interval, color=band, zorder=0)
    for works, color, marker in ((True, main, "o"), (False, alert, "x")):
        points = [(row.value, height) for row, height in known if row.works is works]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=color, markersize=5)
    if tuning.best is not None and (height := height_of(tuning.best, at)) is not None:
        axes.annotate(
            f"best: {number(tuning.best.value)}", (tuning.best.value, height), (5, 6), textcoords="offset points"
        )
    if tuning.plan.logarithmic:
        axes.set_xscale("log")
        plain_log(axes.xaxis)
    heights = [height for _, height in known]
    if is_logarithmic(heights):
        if min(heights) > 0:
            axes.set_yscale("log")
            plain_log(axes.yaxis)
        else:
            axes.set_yscale("symlog", linthresh=1)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.set_ylim(-0.5, 3 * max(heights))
    axes.set_axisbelow(True)
    axes.set_xlabel(tuning.plan.parameter)
    axes.set_ylabel((LOSSES, SPIKES)[at][1])
    axes.grid(axis="y")


def height_of(row: TriedValue, at: int) -> float | None:
    """Return what one picture shows of a value; None where it is unknown or cannot be drawn."""
    loss = row.first_loss if row.last_loss is None else row.last_loss
    height = row.max_per_step if at else loss
    return height if height is not None and abs(height) < 1e30 else None


def is_logarithmic(heights: Sequence[float]) -> bool:
    """Return whether a logarithmic axis shows these numbers better; 0 is drawn below 1."""
    low, high = min(heights, default=0.0), max(heights, default=0.0)
    return low >= 0 and high > LOG_FROM * (low or 1.0)
