"""What the sinks for dashboards have in common: numbers as scalars, root causes as text, the report as a page."""

from __future__ import annotations

import tempfile
from pathlib import Path

from spikecheck.diagnosis import Cause
from spikecheck.report import html
from spikecheck.report.file import write_report
from spikecheck.report.model import Report
from spikecheck.report.wording import warning_text
from spikecheck.sinks.base import RunPoint, RunStart, Sink

FINDINGS = "spikecheck/findings"


class Dashboard(Sink):
    """Shows a run where its other numbers are. In a run of several processes, rank 0 does.

    A library's sink overrides the methods below; `finding`, `point` and `end` call them.
    """

    is_quiet = False

    def add_scalars(self, scalars: dict[str, float], update: int) -> None:
        """Show numbers by name, such as "spikecheck/lif1/firing_rate"."""
        raise NotImplementedError

    def add_text(self, text: str, update: int) -> None:
        """Show a root cause."""
        raise NotImplementedError

    def add_page(self, path: Path, report: Report) -> None:
        """Keep the report: a page, or a text where jinja2 and matplotlib are not installed."""
        raise NotImplementedError

    def begin(self, start: RunStart) -> None:
        """Take the start of the run."""
        self.is_quiet = bool(start.rank)

    def point(self, point: RunPoint) -> None:
        """Show what the latest updates showed."""
        scalars = point.scalars()
        if scalars and not self.is_quiet:
            self.add_scalars(scalars, point.update)

    def finding(self, cause: Cause, update: int) -> None:
        """Show a root cause with its consequences."""
        if not self.is_quiet:
            self.add_text(warning_text(cause), update)

    def end(self, report: Report, error: str) -> None:
        """Keep the last report."""
        if self.is_quiet:
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "spikecheck.html" if html.is_available() else "spikecheck.txt")
            write_report(path, report)
            self.add_page(path, report)
