"""What the fixture `spikecheck` hands to a test: `attach` with the test's life, and the verdict at its end."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from spikecheck import api, baseline
from spikecheck.assertions.failure import UnhealthyError
from spikecheck.assertions.health import quiet, severity, trouble
from spikecheck.checks.discovery import unusable_extensions
from spikecheck.errors import SpikecheckError
from spikecheck.monitor import Monitor
from spikecheck.report import html
from spikecheck.report.file import write
from spikecheck.report.model import Report


class Watching:
    """The models that a test watches, and what it lets pass. Everything else of `spikecheck` is found here as well."""

    def __init__(self, *, fail_on: str, ignore: Iterable[str]) -> None:
        self.level, self.ignore = severity(fail_on), tuple(ignore)
        self.monitors: list[Monitor] = []
        self.reports: list[Report] = []
        self.told = False  # is the evidence in the test's failure already?

    @classmethod
    def marked(cls, marks: list[tuple[tuple[Any, ...], Mapping[str, Any]]], fail_on: str) -> Watching:
        """As a test's marks say, each by its arguments, the closest first: its level counts, and all that they ignore.

        SpikecheckError where a mark has other arguments.
        """
        ignore: list[str] = []
        for unnamed, named in marks:
            if unnamed or set(named) - {"ignore", "fail_on"}:
                raise SpikecheckError("the marker takes ignore=[...] and fail_on='warning'")
            given = named.get("ignore", ())
            ignore += [given] if isinstance(given, str) else given
        levels = [named["fail_on"] for _, named in marks if "fail_on" in named]
        return cls(fail_on=levels[0] if levels else fail_on, ignore=ignore)

    def attach(self, model: nn.Module, **options: Any) -> Monitor:
        """Watch a model until the test is over; takes what `spikecheck.attach` takes.

        Nothing is said while it trains, and each forward is looked at: the test is judged at its end.
        """
        given = options.pop("ignore", ())
        ignore = (*self.ignore, *([given] if isinstance(given, str) else given))
        monitor = api.attach(model, **{"every": 1, "on_finding": quiet, **options}, ignore=ignore)
        self.monitors.append(monitor)
        return monitor

    def judge(self) -> None:
        """The test is over: take every hook off, and keep the report on each model that was attached."""
        self.detach()
        self.reports = [monitor.report() for monitor in self.monitors]

    def trouble(self) -> str:
        """Why the test fails, with all the evidence; empty where it passes."""
        why = "\n\n".join(filter(None, (trouble(report, self.level) for report in self.reports)))
        self.told = bool(why)
        return why

    def detach(self) -> None:
        """Take every hook off."""
        for monitor in self.monitors:
            monitor.detach()

    def __getattr__(self, name: str) -> Any:
        """The fixture's name hides the package in its test, so the package's public names are found here too."""
        package = import_module("spikecheck")
        if name in package.__all__:
            return getattr(package, name)
        raise AttributeError(f"spikecheck has no {name!r}")


def outcome(
    test: str, watching: Watching | None, raised: BaseException | None, folder: Path | None
) -> tuple[str, list[str]]:
    """What the summary says of a test that is over, and what other packages offer as checks and cannot be used.

    A page is written to `folder`, where one is given, of the models that the test watched and of the one whose
    assertion failed.
    """
    reports = [] if watching is None else list(watching.reports)
    if isinstance(raised, UnhealthyError) and raised.report is not None:
        reports.append(raised.report)
    page = "" if folder is None or not reports else written(folder, test, reports)
    return summary(reports, page), [str(one) for one in unusable_extensions()]


def summary(reports: Iterable[Report], page: str) -> str:
    """A test in one line: the root causes it found, its page, the baselines it wrote; empty where there is nothing."""
    reports = list(reports)
    causes = [cause.finding for report in reports for cause in report.root_causes]
    said = [", ".join(f"{f.check} {f.slug} at {f.site}" for f in causes) or "no cause found"] if reports else []
    said += [page] if page else []
    said += [f"baseline written: {file}" for file in baseline.updated]
    baseline.updated.clear()
    return "; ".join(said)


def written(folder: Path, test: str, reports: Iterable[Report]) -> str:
    """Write a test's reports as one page, and say where; the number keeps apart what the same letters would name."""
    name = re.sub(r"\W+", "-", test.rpartition("/")[2]).strip("-")[:80]
    path = folder / f"{name}-{zlib.crc32(test.encode()):08x}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(path, html.page([("", report, "") for report in reports], test))
    except OSError as error:
        return f"no report: {folder} cannot be made ({error.strerror})"
    except SpikecheckError as error:
        return f"no report: {error}"
    return f"report: {path}"
