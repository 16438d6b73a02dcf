"""The cell magic %%spikecheck: a cell that trains is watched, and its reports are shown below its output."""

from __future__ import annotations

import sys
from html import escape
from typing import Any

REPORTS = "spikecheck_reports"  # the variable of the notebook that holds the reports, by model


def add_magic(ipython: Any) -> None:
    """Register the magic: what `%load_ext spikecheck` calls."""

    def watch_cell(line: str, cell: str) -> None:
        """Run a cell unchanged and report on every model that it trains, also where it raises or is interrupted.

        The reports are in the variable `spikecheck_reports`, by the name of the model.
        """
        from spikecheck.script_run.discovery import Discovery
        from spikecheck.script_run.result import NOTHING, own_error

        with Discovery(existing=True) as discovery:
            ipython.run_cell(cell)
        reports = discovery.reports()
        ipython.user_ns[REPORTS] = dict(reports)
        sys.stderr.writelines(f"{own_error(error)}\n" for error in discovery.errors)
        if not reports:
            sys.stderr.write(f"{NOTHING}\n")
        for name, report in reports:
            show(name if len(reports) > 1 else "", report)

    ipython.register_magic_function(watch_cell, "cell", "spikecheck")


def show(name: str, report: Any) -> None:
    """Display a report: in colors in a notebook, as text in a terminal."""
    from IPython.display import display

    title = f"<h4>{escape(name)}</h4>" if name else ""
    text = f"{name}\n{report}" if name else str(report)
    display({"text/plain": text, "text/html": title + report._repr_html_()}, raw=True)
