"""A report in a notebook: the text, and below it the page with its pictures, folded."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from spikecheck.report import html as pages
from spikecheck.report.terminal import html as text_html

if TYPE_CHECKING:
    from spikecheck.report.model import Report

MAX_PAGE = 2_000_000  # characters; judgment call: every display of a report makes the notebook's file as much larger
FRAME = "width:100%;height:720px;border:1px solid #ccc;background:#fff"


def report_html(report: Report) -> str:
    """Return a report: its text, and its page where that can be drawn, in a frame of its own that opens on a click."""
    page = page_of(report) if has_pictures(report) and pages.is_available() else ""
    if not page or len(page) > MAX_PAGE:
        return text_html(report)
    frame = f'<iframe srcdoc="{escape(page)}" sandbox style="{FRAME}" title="the report with pictures"></iframe>'
    return f"{text_html(report)}{folded('pictures', frame)}"


def monitor_html(text: str, report: Report) -> str:
    """Return a monitor: what it watches, and its report so far."""
    return f"<code>{escape(text)}</code>{report_html(report)}"


def folded(summary: str, content: str, *, is_open: bool = False) -> str:
    """Return a line that shows more on a click."""
    return f"<details{' open' * is_open}><summary>{escape(summary)}</summary>{content}</details>"


def has_pictures(report: Report) -> bool:
    """Return whether there is anything to draw."""
    return bool(report.layers or report.losses or report.weights)


def page_of(report: Report) -> str:
    """Return the page of a report."""
    return pages.page([("", report, "")])
