"""spikecheck itself failed, and stepped aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class OwnError(Check):
    """An error of spikecheck's own ended the watching; the training went on without it.

    ## What it means
    One of spikecheck's hooks raised an error. The monitor took every hook off and let the training go on as if
    nothing had been attached. What it had seen until then is still in the report.

    ## Why it matters
    From then on the run was not watched: what is not in the report may still be wrong.

    ## Fix
    ```python any
    monitor = spikecheck.attach(model, on_finding="raise")  # stops with the whole traceback: please report it
    ```

    ## Intended when
    Never. This is a fault of spikecheck, and a report of it is welcome.
    """

    id: ClassVar = "SPK001"
    slug: ClassVar = "own-error"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.RUN
    message: ClassVar = "spikecheck stopped watching: {error}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Nothing: the monitor makes this finding itself, with `of`."""
        yield from ()

    def of(self, error: Exception, file: str, line: int, update: int) -> Finding:
        """The finding for an error that was caught."""
        text = f"{type(error).__name__}: {error}"
        return self.found(
            Site(SiteKind.RUN, "spikecheck"),
            seen=Seen("{error}, raised in {file}, line {line}", error=text, file=file, line=line),
            expected=Expected("no error"),
            when=Moment(update),
        )
