"""A matplotlib figure as SVG within a page: its colours are the page's, its text is text, its ids are its own."""

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

from spikecheck.report.html.text import visible

# Colours that no figure uses by chance, each in place of one of the page's, which differs in light and dark.
INK, MUTED, LINE = "#010101", "#020202", "#030303"
MAIN, ALERT, OTHER, BAND, CARD = "#040404", "#050505", "#060606", "#070707", "#080808"
COLOURS = {
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
    "svg.fonttype": "none",  # text that can be selected, searched and read aloud
    "svg.hashsalt": "spikecheck",  # the same report gives the same file
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
UNIT = 72  # points of an inch: a point is a unit of the SVG
# Around the axes, in units: room for a line of text above, for two below, and for numbers of five digits at the left.
# Fixed, since matplotlib's own layout draws everything once more to find the same.
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 16, 36
GEOMETRY = re.compile(r'\b(?:d|x|y|width|height|transform)="[^"]*"')
DIGITS = re.compile(r"(\d\.\d\d)\d+")  # a hundredth of a unit is seen by nobody
NO_METADATA: dict[str, Any] = {"Creator": None, "Date": None, "Format": None, "Type": None}


@dataclass
class Drawing:
    """A figure being drawn. `says` is what a reader without eyes is told: the title, then what there is to see."""

    figure: Figure
    title: str
    says: str
    names: list[str] = field(default_factory=list)

    def name(self, text: str) -> str:
        """A stand-in for a text that comes from elsewhere: matplotlib measures it, and never gets to read it.

        A font without a glyph for a name would warn, and a `$` in it would be set as mathematics.
        """
        self.names.append(text)
        return f"name{len(self.names) - 1:04d}"


@contextmanager
def drawing(size: tuple[float, float], title: str, says: str, *, left: float = LEFT) -> Iterator[tuple[Drawing, Any]]:
    """A figure of this width and height with one pair of axes, in our style, whatever the user's matplotlib has."""
    width, height = size
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(width / UNIT, height / UNIT), dpi=UNIT)
        figure.patch.set_alpha(0)
        inner = (width - left - RIGHT, height - TOP - BOTTOM)
        axes = figure.add_axes((left / width, BOTTOM / height, inner[0] / width, inner[1] / height))
        axes.patch.set_alpha(0)
        yield Drawing(figure, title, says), axes


def svg(drawn: Drawing, key: str) -> Markup:
    """The figure as an `svg` element, within its `drawing`; `key` sets its ids apart from the page's other figures."""
    out = StringIO()
    FigureCanvasSVG(drawn.figure).print_svg(out, metadata=NO_METADATA)
    head, _, body = out.getvalue().partition("<svg")[2].partition(">")
    box = head.partition('viewBox="')[2].partition('"')[0]
    body = body.rpartition("</svg>")[0]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{key}-", body)
    body = GEOMETRY.sub(lambda found: DIGITS.sub(r"\1", found[0]), body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    for colour, variable in COLOURS.items():
        body = body.replace(colour, f"var({variable})")
    for number, name in enumerate(drawn.names):
        body = body.replace(f"name{number:04d}", escaped(name))
    return Markup(
        f'<svg viewBox="{box}" role="img" aria-labelledby="{key}-title {key}-says">'
        f'<title id="{key}-title">{escaped(drawn.title)}</title><desc id="{key}-says">{escaped(drawn.says)}</desc>'
        f"{body.strip()}</svg>"
    )


def escaped(text: str) -> str:
    """A text as SVG holds it."""
    return escape(visible(text))
