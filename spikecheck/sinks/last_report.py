"""Print or write the last report when a run ends, whatever ends it."""

from __future__ import annotations

import atexit
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from spikecheck.report.file import of_rank, require_for, write_report
from spikecheck.settings import process_rank
from spikecheck.sinks.base import Sink

if TYPE_CHECKING:
    from spikecheck.report.model import Report


class LastReport(Sink):
    """Writes the last report to a file, as a page, JSON or text by its suffix; without a path, it is printed.

    Of a run of several processes, rank 0 gives the one report. Another rank does so where an exception ended it, since
    rank 0 may then not come to its end: in a file of its own, x.rank1.html.

    Raises:
        SpikecheckError: a page needs jinja2 and matplotlib, and they are not installed.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.rank = process_rank()
        self.path = None if path is None else Path(of_rank(os.fspath(path), self.rank)).absolute()
        if self.path is not None:
            require_for(self.path)

    def end(self, report: Report, error: str) -> None:
        """Print or write it."""
        if self.rank and not error:
            return
        if self.path is None:
            print_report(report)
        else:
            write_report(self.path, report)


def print_report(report: Report) -> None:
    """Print a report on standard error."""
    sys.stderr.write(f"{report}\n")


class Ending(Protocol):
    """A monitor, as far as its sinks have an end."""

    @property
    def watching(self) -> bool:
        """Whether it is watching."""

    def end_sinks(self, error: BaseException | None = None) -> None:
        """Give every sink the last report."""


#: Monitors whose sinks have to be given their end when the interpreter exits.
OPEN: WeakSet[Ending] = WeakSet()


def end_at_exit(monitor: Ending) -> None:
    """End the sinks of a monitor at the latest when the interpreter exits: a script need not detach it."""
    OPEN.add(monitor)
    register()


@cache
def register() -> None:
    """End what is left when this process exits, not when one that it forked does."""
    atexit.register(end_all, os.getpid())


def end_all(process: int) -> None:
    """End the sinks of every monitor that is left."""
    if os.getpid() == process:
        for monitor in list(OPEN):
            monitor.end_sinks(last_error())
        OPEN.clear()


def end_stopped() -> None:
    """End the sinks of every monitor that was taken off without its being told."""
    for monitor in list(OPEN):
        if not monitor.watching:
            OPEN.discard(monitor)
            monitor.end_sinks()


def last_error() -> BaseException | None:
    """Return the exception that ended the script, if one did: the interpreter keeps what nobody caught."""
    error: BaseException | None = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return error
