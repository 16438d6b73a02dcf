"""The pictures of README.md: the report in a terminal and as a page, from the real program.

`make pictures` writes both; the page is drawn by Chromium (`apt-get install chromium`).
"""

from __future__ import annotations

import base64
import re
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from spikecheck.report.model import Report
from tests.browser.chromium import Chromium, installed
from tests.house.tree import ROOT
from tests.reference.readme_sample import observed

FOLDER = ROOT / "docs" / "images"
TERMINAL, PAGE = FOLDER / "terminal.svg", FOLDER / "page.png"
WIDTH = 92  # columns
SHOWN_LINES = 23  # of the report: the first root cause, with its fix
PAGE_SIZE = (1100, 980)


def terminal(report: Report) -> str:
    """Return the beginning of a report as a terminal shows it, as SVG without a font from elsewhere."""
    drawn, shown = console(), console()
    with drawn.capture() as text:
        drawn.print(report)
    shown.print("[dim]$[/] spikecheck run train.py")
    for line in Text.from_ansi(without_cost(text.get())).split("\n")[:SHOWN_LINES]:
        shown.print(line)
    svg = shown.export_svg(title="spikecheck", unique_id="spikecheck")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def console() -> Console:
    """Return a terminal that writes to nowhere, and records."""
    return Console(
        record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor", _environ={}
    )


def without_cost(text: str) -> str:
    """Return the report without what watching cost, which is another in each run."""
    return re.sub(r" *[+-][\d.,]+% time(?: \(start [+-][\d.,]+%\))?", "", text)


def page(report: Report, program: str) -> bytes:
    """Return the top of the page as a picture."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "report.html"
        report.to_html(path)
        browser = Chromium(program, Path(folder) / "profile")
        width, height = PAGE_SIZE
        browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        browser.call("Emulation.setScrollbarsHidden", hidden=True)
        browser.open(path.as_uri())
        browser.value("document.querySelector('.brand .aside').remove()")  # the time at which it was written
        picture = browser.call("Page.captureScreenshot", format="png")["data"]
        browser.close()
    return base64.b64decode(picture)


if __name__ == "__main__":
    made = observed()
    FOLDER.mkdir(exist_ok=True)
    TERMINAL.write_text(terminal(made), encoding="utf-8")
    if program := installed():
        PAGE.write_bytes(page(made, program))
    else:
        sys.stderr.write("docs/images/page.png is left as it is: apt-get install chromium\n")
