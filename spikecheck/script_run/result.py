"""What a run has shown: printed, and written to the files that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spikecheck.errors import SpikecheckError
from spikecheck.settings import is_switched_off

if TYPE_CHECKING:
    from rich.console import Console

    from spikecheck.report.model import Report

NOTHING = (
    "spikecheck: nothing was trained in this process: no module was called with an optimizer. In a process that the "
    "script starts, call spikecheck.attach()"
)
OFF = "spikecheck: nothing was watched: SPIKECHECK is set to off in the environment"
SHOWN_WHOLE = 8  # reports; judgment call: of a search over many models, the first are shown and the others named

NamedReports = Sequence[tuple[str, "Report"]]


def nothing_seen() -> str:
    """Return why there is no report."""
    return OFF if is_switched_off() else NOTHING


def show(reports: NamedReports, console: Console, *, explained: bool = False) -> None:
    """Print every report, each under the name of its model where there are several; in one line, what has no spikes.

    Where there is none, that is said, unless it was `explained`.
    """
    if not reports and not explained:
        console.print(nothing_seen(), markup=False, highlight=False, soft_wrap=True)
    spiking = [one for one in reports if one[1].layers] or list(reports)
    for name, report in spiking[:SHOWN_WHOLE]:
        if len(reports) > 1:
            console.rule(name, align="left")
        console.print(report, crop=False)
    for name, report in [*spiking[SHOWN_WHOLE:], *(one for one in reports if one not in spiking)]:
        console.print(f"{name}: {report.conclusion}", markup=False, highlight=False, soft_wrap=True)


def own_error(error: Exception) -> str:
    """Return what is said of a model that cannot be watched, or of an error of ours; the script notices neither."""
    if isinstance(error, SpikecheckError):
        return f"spikecheck: {error}"
    return f"spikecheck: an error of its own, which did not affect the script: {error!r}"
