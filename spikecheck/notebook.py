"""The notebook extension: the cell magic %%spikecheck, whose reports are shown below its output; folded warnings."""

from __future__ import annotations

import sys
import warnings
from html import escape
from typing import Any

from spikecheck.errors import SpikecheckWarning
from spikecheck.report.notebook import folded

REPORTS = "spikecheck_reports"  # the variable of the notebook that holds the reports, by model


def add_magic(ipython: Any) -> None:
    """Register the magic: what `%load_ext spikecheck` calls."""

    def watch_cell(line: str, cell: str) -> None:
        """Run a cell unchanged and report on every model that it trains, also where it raises or is interrupted.

        The reports are in the variable `spikecheck_reports`, by the name of the model.
        """
        from spikecheck.script_run.discovery import Discovery
        from spikecheck.script_run.result import nothing_seen, own_error

        with Discovery(existing=True) as discovery:
            result = ipython.run_cell(cell)
        reports = discovery.reports()
        ipython.user_ns[REPORTS] = dict(reports)
        sys.stderr.writelines(f"{own_error(error)}\n" for error in discovery.errors)
        if not reports and not discovery.errors:
            sys.stderr.write(f"{nothing_seen()}\n")
        for name, report in reports:
            show(name if len(reports) > 1 else "", report)
        if (error := result.error_before_exec or result.error_in_exec) is not None:  # it was shown
            error._render_traceback_ = lambda: []
            raise error  # so that "run all" stops here

    ipython.register_magic_function(watch_cell, "cell", "spikecheck")
    if getattr(ipython, "kernel", None) is not None:  # not in a terminal, which shows no HTML
        fold_warnings()


def fold_warnings() -> None:
    """Show each warning of spikecheck as one line that opens on a click; other warnings are shown as before."""
    shown = warnings.showwarning
    if getattr(shown, "folds", False):
        return

    def show_warning(message: Any, category: Any, *where: Any, **options: Any) -> None:
        if not issubclass(category, SpikecheckWarning):
            shown(message, category, *where, **options)
            return
        from IPython.display import display

        text = str(message)
        first, _, rest = text.partition("\n")
        details = f'<pre style="margin:0">{escape(rest)}</pre>'
        display({"text/plain": text, "text/html": folded(first, details) if rest else escape(first)}, raw=True)

    show_warning.folds = True  # type: ignore[attr-defined]
    show_warning.before = shown  # type: ignore[attr-defined]
    warnings.showwarning = show_warning


def unfold_warnings() -> None:
    """Show warnings of spikecheck as Python does: what `%unload_ext spikecheck` calls."""
    warnings.showwarning = getattr(warnings.showwarning, "before", warnings.showwarning)


def show(name: str, report: Any) -> None:
    """Display a report: in colors in a notebook, as text in a terminal."""
    from IPython.display import display

    title = f"<h4>{escape(name)}</h4>" if name else ""
    text = f"{name}\n{report}" if name else str(report)
    display({"text/plain": text, "text/html": title + report._repr_html_()}, raw=True)
