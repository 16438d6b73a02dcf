"""spikecheck itself failed and stopped watching."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.outside_text import MAX_SENTENCE, safe
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class OwnError(Check):
    """spikecheck hit an error of its own and stopped watching; training went on without it.

    ## What it means
    One of spikecheck's hooks raised an error, so spikecheck removed all its hooks and let training continue. The
    report holds what was observed up to then; anything that went wrong later is not in it.

    ## Example
    ```python broken
    monitor = spikecheck.attach(model)
    # a hook of spikecheck raises an error: one warning, and training goes on
    train(model)
    # the report ends at that update; SPK001 names the error, the file and the line
    print(monitor.report())
    ```
    ```python repaired
    # the script runs without spikecheck until the bug is fixed
    train(model)
    ```

    ## Fix
    ```python any
    # for a bug report: raises the error with its traceback; all other checks are ignored, since one could raise first
    monitor = spikecheck.attach(model, on_finding="raise", ignore=["SPK1", "SPK2", "SPK3", "SPK4"])
    ```

    ## When it is intended
    Never: this is a bug in spikecheck, and a report of it is welcome.

    ## How it is decided
    The monitor itself makes this finding when it catches an exception from one of its own hooks during a forward
    pass, a backward pass or an optimizer update. It reports the error once and removes every hook.
    """

    id: ClassVar = "SPK001"
    slug: ClassVar = "own-error"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.RUN
    message: ClassVar = "spikecheck stopped watching: {error}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield nothing: the monitor makes this finding itself, with `of`."""
        yield from ()

    def of(self, error: Exception, file: str, line: int, update: int) -> Finding:
        """Return the finding for an error that was caught."""
        text = safe(f"{type(error).__name__}: {error}", MAX_SENTENCE)
        return self.finding(
            Site(SiteKind.RUN, "spikecheck"),
            observed=Observed("{error}, raised in {file}, line {line}", error=text, file=file, line=line),
            expected=Expected("no error"),
            when=Moment(update),
        )
