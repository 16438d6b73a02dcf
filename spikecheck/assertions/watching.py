"""What the fixture `spikecheck` hands to a test: `attach` with the test's life, and the verdict at its end."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn

from spikecheck import api, assertions, baseline
from spikecheck.assertions.health import quiet, severity, trouble
from spikecheck.monitor import Monitor
from spikecheck.report import html
from spikecheck.report.model import Report


class Watching:
    """The models that a test watches, and what it lets pass. Everything else of `spikecheck` is found here as well."""

    def __init__(self, *, fail_on: str, ignore: Iterable[str]) -> None:
        self.level, self.ignore = severity(fail_on), tuple(ignore)
        self.monitors: list[Monitor] = []
        self.told = False  # is the evidence in the test's failure already?

    def attach(self, model: nn.Module, **options: Any) -> Monitor:
        """Watch a model until the test is over; takes what `spikecheck.attach` takes.

        Nothing is said while it trains, and each forward is looked at: the test is judged at its end.
        """
        given = options.pop("ignore", ())
        ignore = (*self.ignore, *([given] if isinstance(given, str) else given))
        monitor = api.attach(model, **{"every": 1, "on_finding": quiet, **options}, ignore=ignore)
        self.monitors.append(monitor)
        return monitor

    def reports(self) -> list[Report]:
        """The report on each model that was attached."""
        return [monitor.report() for monitor in self.monitors]

    def trouble(self) -> str:
        """Why the test fails, with all the evidence; empty where it passes."""
        why = "\n\n".join(filter(None, (trouble(report, self.level) for report in self.reports())))
        self.told = bool(why)
        return why

    def detach(self) -> None:
        """Take every hook off."""
        for monitor in self.monitors:
            monitor.detach()

    def __getattr__(self, name: str) -> Any:
        """The fixture's name hides the module in its test, so the assertions are found here too."""
        for home in (assertions, baseline, api):
            if hasattr(home, name):
                return getattr(home, name)
        raise AttributeError(f"spikecheck has no {name!r}")


def summary(reports: Iterable[Report], path: Path | None) -> str:
    """A test in one line: the root causes it found, its page, the baselines it wrote; empty where there is nothing."""
    reports = list(reports)
    causes = [cause.finding for report in reports for cause in report.root_causes]
    said = [", ".join(f"{f.check} {f.slug} at {f.site}" for f in causes) or "no cause found"] if reports else []
    said += [] if path is None else [f"report: {path}"]
    said += [f"baseline written: {file}" for file in baseline.updated]
    baseline.updated.clear()
    return "; ".join(said)


def written(folder: Path, test: str, reports: Iterable[Report]) -> Path:
    """Write a test's reports as one page; the number keeps apart what the same letters would name."""
    name = re.sub(r"\W+", "-", test.rpartition("/")[2]).strip("-")[:80]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{zlib.crc32(test.encode()):08x}.html"
    html.write(path, html.page([("", report, "") for report in reports], test))
    return path
