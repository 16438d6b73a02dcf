"""The pictures of a report, each drawn from one row of the report."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from spikecheck.excerpts import PotentialSampleReading, RasterReading
from spikecheck.number_format import number
from spikecheck.report.format import counted, short
from spikecheck.report.html.canvas import (
    ALERT,
    BAND,
    BOTTOM,
    CARD,
    INK,
    LINE,
    MAIN,
    MUTED,
    OTHER,
    RIGHT,
    TOP,
    Drawing,
    drawing,
    svg,
)
from spikecheck.report.html.marks import Mark, draw_marks, in_words

if TYPE_CHECKING:
    from spikecheck.report.model import LayerRow, LossRow, WeightRow

# Width and height in units. A layer's plots stand four in a row, or one on a phone, where a unit is about a pixel.
WIDE, NARROW = (360, 220), (240, 165)
BINS = 30
DOTS = 30  # up to this many losses are drawn with a marker each
FARTHEST = 1e30  # larger values overflow in differences and margins
LEAST_SPAN = 1e-6  # relative to the values: the bin edges of a narrower span coincide in floating point
FLAT = 0.02  # relative to the largest loss: a narrower axis would magnify rounding errors
LOG_FROM = 20  # ratio of largest to smallest loss from which the axis is logarithmic
# Scales of standard initializers: the default of `torch.nn.Linear`, and He's (see ParameterReading.scale).
DEFAULT, HE = 1 / math.sqrt(3), math.sqrt(2)
SHORT_LABELS = (0.01, 1_000)  # outside of this range, fewer numbers fit below a histogram
NAME = 44  # characters of the name of a weight


def drawable(value: float) -> bool:
    """Return whether an axis can show the value."""
    return abs(value) < FARTHEST


def positive(value: float) -> bool:
    """Return whether a logarithmic axis can show the value."""
    return 1 / FARTHEST < value < FARTHEST


def loss(row: LossRow, key: str, *, plateau: bool, marks: tuple[Mark, ...] = ()) -> Markup | None:
    """Draw the loss per update, the loss of a uniform guess, and the marks; None if no loss can be drawn."""
    points = [(update, value) for update, value in sorted(row.loss.trace) if drawable(value)]
    if not points:
        return None
    updates, values = zip(*points, strict=True)
    chance = math.log(row.loss.classes) if row.loss.classes and row.loss.classes > 1 else None
    says = f"from {short(values[0])} at update {updates[0]:,} to {short(values[-1])} at update {updates[-1]:,}"
    says += "" if chance is None else f"; a uniform guess has a loss of {number(chance, padded=True)}"
    says += "; the plateau at the end is marked" if plateau else ""
    says += in_words(marks)
    with drawing(WIDE, f"{row.name} per update", says) as (drawn, axes):
        if plateau and row.loss.recent_mean is not None:
            begin = max(updates[0], updates[-1] - row.loss.window)
            axes.axvspan(begin, updates[-1], color=BAND, linewidth=0)
            axes.annotate("plateau", ((begin + updates[-1]) / 2, 1), xycoords=("data", "axes fraction"), ha="center",
                          va="top", xytext=(0, -2), textcoords="offset points", color=INK, weight="bold")  # fmt: skip
        axes.plot(updates, values, color=MAIN, marker="o" if len(points) <= DOTS else None, markersize=3.5)
        if chance is not None:
            axes.axhline(chance, color=ALERT, linestyle=(0, (5, 3)), linewidth=1.2)
            above(
                axes,
                (0, "axes fraction"),
                f"dashed: uniform guess, ln {row.loss.classes} = {number(chance, padded=True)}",
                ALERT,
            )
        shown = [*values, *([] if chance is None else [chance])]
        if min(shown) > 0 and max(shown) > LOG_FROM * min(shown):
            axes.set_yscale("log")
            plain_log(axes.yaxis)
        else:
            axes.margins(y=0.15)
            widened(axes, FLAT * max(map(abs, shown)))
            separate_thousands(axes.yaxis)
        draw_marks(axes, marks)
        axes.set_xlabel("update")
        axes.set_ylabel("loss")
        whole_updates(axes, 5)
        axes.grid(axis="y")
        return svg(drawn, key)


def raster(row: LayerRow, reading: RasterReading, key: str) -> Markup | None:
    """Draw the spikes by neuron and time step, several per step in red; None without time steps or neurons."""
    rows, steps = len(reading.raster), max(map(len, reading.raster), default=0)
    if not rows or not steps:
        return None
    spikes = sum(v != 0 for neuron in reading.raster for v in neuron)
    several = sum(v > 1 for neuron in reading.raster for v in neuron)
    says = (
        f"{counted(rows, 'neuron')}, {counted(steps, 'time step')}: {spikes:,} of the bins contain a spike, "
        f"{several:,} of them more than one"
    )
    with drawing(NARROW, f"Spikes of {row.name}", says) as (drawn, axes):
        thick = 0.72 * (NARROW[1] - TOP - BOTTOM) / rows
        for color, wanted in ((MAIN, single), (ALERT, multiple), (OTHER, negative)):
            runs = [(n, *run) for n, neuron in enumerate(reading.raster) for run in stretches(neuron, wanted)]
            if runs:
                put(axes, runs, color, thick)
        if not spikes:
            axes.annotate("no spikes", (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", color=MUTED)
        axes.set_xlim(-0.5, steps - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_xlabel("time step")
        axes.set_ylabel("neuron" if reading.stride == 1 else f"neuron (1 of {reading.stride})")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at * reading.stride:.0f}"))
        return svg(drawn, key)


def single(value: float) -> bool:
    """Return whether a value is a single spike."""
    return 0 < value <= 1


def multiple(value: float) -> bool:
    """Return whether a value is more than one spike per step, or NaN."""
    return value > 1 or value != value


def negative(value: float) -> bool:
    """Return whether a value is the negative one of ternary spikes."""
    return value < 0


def stretches(neuron: Sequence[float], wanted: Any) -> list[tuple[int, int]]:
    """Return the first step and the end of each run of wanted values: a long run is drawn as one line."""
    runs: list[tuple[int, int]] = []
    for step, value in enumerate(neuron):
        if wanted(value):
            if runs and runs[-1][1] == step:
                runs[-1] = (runs[-1][0], step + 1)
            else:
                runs.append((step, step + 1))
    return runs


def put(axes: Any, runs: list[tuple[int, int, int]], color: str, thick: float) -> None:
    """Draw all runs as one path: one element per spike would be thousands."""
    points = [(x, n) for n, begin, end in runs for x in (begin - 0.42, end - 0.58)]
    codes = [Path.MOVETO, Path.LINETO] * len(runs)
    axes.add_patch(PathPatch(Path(points, codes), edgecolor=color, linewidth=thick, fill=False, capstyle="butt"))


def rates(row: LayerRow, key: str) -> Markup | None:
    """Draw a histogram of the firing rates; None if no rate is known."""
    values = [rate for rate in row.spikes.rates if drawable(rate)]
    if not values:
        return None
    silent = sum(rate == 0 for rate in values)
    between = f"{short(min(values))} to {short(max(values))} spikes per step"
    says = f"{counted(len(values), 'neuron')}, {between}; {silent:,} silent"
    with drawing(NARROW, f"Firing rates of {row.name}", says) as (drawn, axes):
        ends = span((0.0, *values))
        histogram(axes, {ALERT: [v for v in values if v == 0], MAIN: [v for v in values if v != 0]}, ends)
        if silent:
            axes.annotate(f"{silent:,} silent", (1, 1), xycoords="axes fraction", ha="right", va="top", color=ALERT)
        if row.spikes.rate and drawable(row.spikes.rate):
            axes.axvline(row.spikes.rate, color=INK, linewidth=1.1, linestyle=(0, (2, 2)))
            above(axes, (row.spikes.rate, "data"), f"mean {number(row.spikes.rate)}", INK)
        axes.set_xlabel("spikes per step")
        axes.set_ylabel("neurons")
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        return svg(drawn, key)


def earlier_potentials(row: LayerRow) -> PotentialSampleReading | None:
    """Return the potentials of the first forward pass, if the latest ones are of another."""
    first, latest = row.first_potentials, row.potentials
    return first if first is not None and latest is not None and first.update < latest.update else None


def potentials(row: LayerRow, key: str) -> Markup | None:
    """Draw a histogram of the latest membrane potentials, the first ones as an outline, and the threshold.

    None if no potential is known.
    """
    values = [] if row.potentials is None else [v for v in row.potentials.values if drawable(v)]
    earlier = earlier_potentials(row)
    before = [] if earlier is None else [v for v in earlier.values if drawable(v)]
    if not values:
        return None
    threshold = row.threshold if row.threshold is not None and drawable(row.threshold) else None
    says = f"from {short(min(values))} to {short(max(values))}"
    says += "" if threshold is None else f"; threshold {number(threshold)}"
    with drawing(NARROW, f"Membrane potentials of {row.name}", says) as (drawn, axes):
        ends = span((*values, *before, *(() if threshold is None else (threshold,))), margin=0.06)
        histogram(axes, {MAIN: values}, ends, share=True)
        if before:
            shares = [1 / len(before)] * len(before)
            axes.hist(before, BINS, range=ends, weights=shares, color=INK, histtype="step", linewidth=1)
        if threshold is not None:
            axes.axvline(threshold, color=ALERT, linewidth=1.4)
            above(axes, (threshold, "data"), f"threshold {number(threshold)}", ALERT)
        axes.set_xlabel("membrane potential after each step")
        axes.set_ylabel("share of values")
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
        return svg(drawn, key)


def span(values: Sequence[float], margin: float = 0.0) -> tuple[float, float]:
    """Return the ends of a histogram of these values, with a margin relative to their span."""
    low, high = min(values), max(values)
    if high - low <= max(LEAST_SPAN * max(abs(low), abs(high)), 1 / FARTHEST):
        high = low + max(1.0, abs(low))
    return low - margin * (high - low), high + margin * (high - low)


def histogram(axes: Any, groups: dict[str, list[float]], ends: tuple[float, float], *, share: bool = False) -> None:
    """Draw stacked bars by color; their height is a number, or the share of all values."""
    every = sum(map(len, groups.values()))
    parts = list(groups.values())
    weights = [[1 / every] * len(part) for part in parts] if share else None
    axes.hist(
        parts, BINS, range=ends, weights=weights, color=list(groups), stacked=True, histtype="stepfilled", linewidth=0
    )
    axes.set_xlim(*ends)
    axes.margins(y=0.18)
    axes.grid(axis="y")
    low, high = SHORT_LABELS
    axes.xaxis.set_major_locator(MaxNLocator(5 if low <= max(map(abs, ends)) < high else 2))
    separate_thousands(axes.xaxis)


def above(axes: Any, at: tuple[float, str], text: str, color: str) -> None:
    """Label a line above the axes, to the side with more room."""
    place, kind = at
    low, high = axes.get_xlim() if kind == "data" else (0, 1)
    axes.annotate(text, (place, 1), xycoords=(kind, "axes fraction"), ha="right" if 2 * place > low + high else "left",
                  va="bottom", xytext=(0, 2), textcoords="offset points", color=color)  # fmt: skip


def weights(rows: Sequence[WeightRow], key: str) -> Markup | None:
    """Draw the scale of each weight before training and now; None if no scale can be drawn."""
    drawn_rows = [row for row in rows if positive(row.scale)]
    if not drawn_rows:
        return None
    says = "; ".join(
        f"{row.name}: {number(row.scale)}" + ("" if row.initial is None else f", initially {number(row.initial)}")
        for row in drawn_rows
    )
    height = TOP + BOTTOM + 12 + 27 * len(drawn_rows)
    with drawing((WIDE[0], height), "Size of the weights", says, left=RIGHT) as (drawn, axes):
        axes.axvspan(DEFAULT, HE, color=BAND, linewidth=0)
        for place, row in enumerate(drawn_rows):
            line(axes, drawn, place, row)
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, DEFAULT / 2), max(high, HE * 2))
        axes.set_ylim(len(drawn_rows) - 0.4, -0.85)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("RMS × √(fan-in)")
        plain_log(axes.xaxis)
        return svg(drawn, key)


def line(axes: Any, drawn: Drawing, place: int, row: WeightRow) -> None:
    """Draw one weight: its name, a ring for its initial scale, a dot for the present one."""
    name = row.name if len(row.name) <= NAME else f"…{row.name[-NAME:]}"
    axes.axhline(place, color=LINE, linewidth=0.6, zorder=0.5)
    axes.annotate(drawn.name(name), (0, place), xycoords=("axes fraction", "data"), va="bottom",
                  xytext=(0, 3), textcoords="offset points", color=INK, size=9.5)  # fmt: skip
    if row.initial is not None and positive(row.initial):
        axes.plot([row.initial, row.scale], [place, place], color=MUTED, linewidth=1.2)
        axes.plot([row.initial], [place], "o", color=CARD, markeredgecolor=MUTED, markersize=6.5)
    axes.plot([row.scale], [place], "o", color=MAIN, markersize=6.5)


def tick(value: float, _: object = None) -> str:
    """Return a number beside an axis: thousands separated, and as short as it can be."""
    return re.sub(r"e([+-])0?", lambda match: "e" + match[1].strip("+"), f"{value:,g}")


def separate_thousands(axis: Any) -> None:
    """Label an axis that reaches a thousand as the texts write numbers; matplotlib aligns the decimals of others."""
    if max(map(abs, axis.get_view_interval())) >= SHORT_LABELS[1]:
        axis.set_major_formatter(FuncFormatter(tick))


def plain_log(axis: Any) -> None:
    """Label a logarithmic axis with plain numbers instead of powers of ten."""
    low, high = axis.get_view_interval()
    wide = high > 100 * low  # otherwise at most two labels would remain
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=7))
    axis.set_major_formatter(FuncFormatter(tick))
    axis.set_minor_formatter(NullFormatter())


def whole_updates(axes: Any, most: int) -> None:
    """Label the time axis at whole updates, no more than `most` of them; around a single one, half an update."""
    low, high = axes.get_xlim()
    if high - low < 1:
        middle = round((low + high) / 2)
        axes.set_xlim(middle - 0.5, middle + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:,.0f}"))


def widened(axes: Any, least: float) -> None:
    """Widen the vertical axis to at least this span."""
    low, high = axes.get_ylim()
    missing = max(0.0, least - (high - low))
    axes.set_ylim(low - missing / 2, high + missing / 2)
