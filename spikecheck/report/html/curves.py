"""Timelines as curves: a layer's firing rate, and an optimizer's gradients, updates and learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.ticker import FuncFormatter

from spikecheck.report.format import short
from spikecheck.report.html.canvas import ALERT, MAIN, drawing, svg
from spikecheck.report.html.marks import Mark, draw_marks, in_words
from spikecheck.report.html.plots import LOG_FROM, NARROW, drawable, plain_log, tick, whole_updates
from spikecheck.timelines import TimelinePoint

LEAST = 2  # points that make a curve


@dataclass(frozen=True)
class Curve:
    """A quantity in each interval of updates, None where it is not known; `title` names it."""

    title: str
    unit: str
    points: Sequence[TimelinePoint]
    values: Sequence[float | None]
    may_be_logarithmic: bool = True
    marks: tuple[Mark, ...] = ()


def draw(curve: Curve, key: str) -> Markup | None:
    """Draw the quantity over the updates, zeros in red; None with fewer than two values."""
    known = [
        ((point.update + point.last_update) / 2, value)
        for point, value in zip(curve.points, curve.values, strict=True)
        if value is not None and drawable(value)
    ]
    if len(known) < LEAST:
        return None
    updates, values = zip(*known, strict=True)
    zeros = [(update, value) for update, value in known if value == 0]
    says = f"from {short(values[0])} at update {updates[0]:,.0f} to {short(values[-1])} at update {updates[-1]:,.0f}"
    says += in_words(curve.marks)
    with drawing(NARROW, curve.title, says) as (drawn, axes):
        axes.plot(updates, values, color=MAIN)
        if zeros:
            axes.plot(*zip(*zeros, strict=True), "o", color=ALERT, markersize=3)
        if curve.may_be_logarithmic and min(values) > 0 and max(values) > LOG_FROM * min(values):
            axes.set_yscale("log")
            plain_log(axes.yaxis)
        else:
            low, high = min(0.0, *values), max(0.0, *values)
            axes.set_ylim(low * 1.1, high * 1.1 if high > low else 1.0)
            axes.yaxis.set_major_formatter(FuncFormatter(tick))
        axes.set_xlabel("update")
        axes.set_ylabel(curve.unit)
        draw_marks(axes, curve.marks)
        whole_updates(axes, 4)
        axes.grid(axis="y")
        return svg(drawn, key)
