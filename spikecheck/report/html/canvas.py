"""A matplotlib figure as an SVG element of a page, with the colors of the page, real text and unique ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from io import StringIO
from typing import Any

import matplotlib
import matplotlib.style
from markupsafe import Markup
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from spikecheck.report.html.text import visible

# Placeholder colors that no figure uses otherwise. Each stands for a CSS variable of the page (light and dark theme).
INK, MUTED, LINE = "#010101", "#020202", "#030303"
MAIN, ALERT, OTHER, BAND, CARD = "#040404", "#050505", "#060606", "#070707", "#080808"
COLORS = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    MAIN: "--main",
    ALERT: "--error",
    OTHER: "--other",
    BAND: "--band",
    CARD: "--card",
}
STYLE = {
    "svg.fonttype": "none",  # text stays text: selectable, searchable, readable by screen readers
    "svg.hashsalt": "spikecheck",  # makes the output deterministic
    "text.usetex": False,
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.labelsize": 10,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "lines.linewidth": 1.6,
}
UNIT = 72  # points per inch: an SVG unit is a point
# Margins around the axes in SVG units: one line of text above, two below, five digits on the left. They are fixed:
# the layout engines of matplotlib draw everything twice to find the same.
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 16, 36
LABEL = 12  # from the left edge to the middle of the label of the vertical axis
GEOMETRY = re.compile(r'\b(?:d|x|y|width|height|transform)="[^"]*"')
DIGITS = re.compile(r"(\d\.\d\d)\d+")  # hundredths of a unit are invisible
NO_METADATA: dict[str, Any] = {"Creator": None, "Date": None, "Format": None, "Type": None}


@dataclass
class Drawing:
    """A figure being drawn. `says` is its description for screen readers."""

    figure: Figure
    title: str
    says: str
    names: list[str] = field(default_factory=list)

    def name(self, text: str) -> str:
        """Return a placeholder for a text from the model or a file, which `svg` replaces by the text.

        matplotlib would warn about characters that its font lacks, and read `$` as mathematics.
        """
        self.names.append(text)
        return f"name{len(self.names) - 1:04d}"


@contextmanager
def drawing(size: tuple[float, float], title: str, says: str, *, left: float = LEFT) -> Iterator[tuple[Drawing, Any]]:
    """Yield a figure of this width and height with one pair of axes, independent of the user's matplotlib settings."""
    width, height = size
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(width / UNIT, height / UNIT), dpi=UNIT)
        figure.patch.set_alpha(0)
        inner = (width - left - RIGHT, height - TOP - BOTTOM)
        axes = figure.add_axes((left / width, BOTTOM / height, inner[0] / width, inner[1] / height))
        axes.patch.set_alpha(0)
        yield Drawing(figure, title, says), axes


def svg(drawn: Drawing, key: str) -> Markup:
    """Return the figure as an `svg` element; call it within `drawing`. `key` makes the ids unique on the page."""
    for axes in drawn.figure.axes:  # at the left edge, however wide the numbers beside it are
        axes.yaxis.set_label_coords(
            LABEL / (drawn.figure.get_figwidth() * UNIT), 0.5, transform=left_edge(drawn.figure, axes)
        )
    out = StringIO()
    FigureCanvasSVG(drawn.figure).print_svg(out, metadata=NO_METADATA)
    head, _, body = out.getvalue().partition("<svg")[2].partition(">")
    box = head.partition('viewBox="')[2].partition('"')[0]
    body = body.rpartition("</svg>")[0]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{key}-", body)
    body = GEOMETRY.sub(lambda match: DIGITS.sub(r"\1", match[0]), body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    for color, variable in COLORS.items():
        body = body.replace(color, f"var({variable})")
    for number, name in enumerate(drawn.names):
        body = body.replace(f"name{number:04d}", escaped(name))
    return Markup(
        f'<svg viewBox="{box}" role="img" aria-labelledby="{key}-title {key}-says">'
        f'<title id="{key}-title">{escaped(drawn.title)}</title><desc id="{key}-says">{escaped(drawn.says)}</desc>'
        f"{body.strip()}</svg>"
    )


def left_edge(figure: Figure, axes: Any) -> Any:
    """Return coordinates that are the figure's across and those of the axes upward."""
    return blended_transform_factory(figure.transFigure, axes.transAxes)


def escaped(text: str) -> str:
    """Return a text escaped for SVG."""
    return escape(visible(text))
