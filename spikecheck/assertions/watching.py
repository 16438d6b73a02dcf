"""The object behind the fixture `spikecheck`: `attach` for the duration of a test, and the reports at its end."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from spikecheck import api, baseline
from spikecheck.accepted import NOTHING, entry
from spikecheck.assertions.failure import UnhealthyError
from spikecheck.assertions.health import failure, quiet, severity
from spikecheck.checks.discovery import unusable_extensions
from spikecheck.errors import SpikecheckError
from spikecheck.monitor import Monitor
from spikecheck.report import html
from spikecheck.report.file import write
from spikecheck.report.model import Report


class Watching:
    """The models that a test watches, and what it ignores. It has all public names of `spikecheck` too."""

    def __init__(self, *, fail_on: str, ignore: Iterable[str]) -> None:
        self.level, self.ignore = severity(fail_on), tuple(ignore)
        self.accepted, self.test = NOTHING, ""  # findings that do not fail the test of this name
        self.accepts_all = False  # the file of accepted findings is written
        self.monitors: list[Monitor] = []
        self.reports: list[Report] = []
        self.explained = False  # whether the message of the failed test contains the reports

    @classmethod
    def marked(cls, marks: list[tuple[tuple[Any, ...], Mapping[str, Any]]], fail_on: str) -> Watching:
        """Return the object for a test with these marks, given by their arguments, the closest first.

        The closest `fail_on` counts; `ignore` is collected from all marks.

        Raises:
            SpikecheckError: a mark has other arguments.
        """
        ignore: list[str] = []
        for unnamed, named in marks:
            if unnamed or set(named) - {"ignore", "fail_on"}:
                raise SpikecheckError("the marker takes ignore=[...] and fail_on='warning'")
            names = named.get("ignore", ())
            ignore += [names] if isinstance(names, str) else names
        levels = [named["fail_on"] for _, named in marks if "fail_on" in named]
        return cls(fail_on=levels[0] if levels else fail_on, ignore=ignore)

    def attach(self, model: nn.Module, **options: Any) -> Monitor:
        """Watch a model until the test is over, with the arguments of `spikecheck.attach`.

        Every forward pass is analyzed and no warning is given during training: the test is judged at its end.
        """
        names = options.pop("ignore", ())
        ignore = (*self.ignore, *([names] if isinstance(names, str) else names))
        monitor = api.attach(model, **{"every": 1, "on_finding": quiet, **options}, ignore=ignore)
        self.monitors.append(monitor)
        return monitor

    def judge(self) -> None:
        """Detach from all models at the end of the test, and store a report on each."""
        self.detach()
        self.reports = [monitor.report() for monitor in self.monitors]

    def failure(self) -> str:
        """Return why the test fails, with the reports; "" if it passes."""
        if self.accepts_all:
            return ""
        text = "\n\n".join(
            filter(None, (failure(report, self.level, self.accepted, self.test) for report in self.reports))
        )
        self.explained = bool(text)
        return text

    def entries(self) -> list[dict[str, str]]:
        """Return every finding of the test as a file of accepted findings has it."""
        return [entry(self.test, finding) for report in self.reports for finding in report.findings]

    def detach(self) -> None:
        """Detach from all models."""
        for monitor in self.monitors:
            monitor.detach()

    def __getattr__(self, name: str) -> Any:
        """Return a public name of the package: in a test, the fixture hides the package of the same name."""
        package = import_module("spikecheck")
        if name in package.__all__:
            return getattr(package, name)
        raise AttributeError(f"spikecheck has no {name!r}")


def outcome(
    test: str, watching: Watching | None, raised: BaseException | None, folder: Path | None
) -> tuple[str, list[str], bool, list[dict[str, str]] | None]:
    """Return the summary of a test, the unusable extensions, whether it wrote a baseline, and its findings.

    With `folder`, a page is written there with the reports of the test and of its failed assertion.
    """
    reports = [] if watching is None else list(watching.reports)
    if isinstance(raised, UnhealthyError) and raised.report is not None:
        reports.append(raised.report)
    wrote_baseline = bool(baseline.updated)
    page = "" if folder is None or not reports else written(folder, test, reports)
    return summary(reports, page), [str(one) for one in unusable_extensions()], wrote_baseline, found_by(watching)


def found_by(watching: Watching | None) -> list[dict[str, str]] | None:
    """Return the findings of a test for the file that accepts them; None of one that watched nothing."""
    return watching.entries() if watching is not None and watching.reports else None


def summary(reports: Iterable[Report], page: str) -> str:
    """Return a test in one line: its root causes, its page, the baselines that it wrote; "" if there are none."""
    reports = list(reports)
    causes = [cause.finding for report in reports for cause in report.root_causes]
    parts = [", ".join(f"{f.check} {f.slug} at {f.site}" for f in causes) or "no root cause"] if reports else []
    parts += [page] if page else []
    parts += [f"baseline written: {file}" for file in baseline.updated]
    baseline.updated.clear()
    return "; ".join(parts)


def written(folder: Path, test: str, reports: Iterable[Report]) -> str:
    """Write the reports of a test as one page and return where; a hash makes the file name unique."""
    name = re.sub(r"\W+", "-", test.rpartition("/")[2]).strip("-")[:80]
    path = folder / f"{name}-{zlib.crc32(test.encode()):08x}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(path, html.page([("", report, "") for report in reports], test))
    except OSError as error:
        return f"no report: cannot create {folder} ({error.strerror})"
    except SpikecheckError as error:
        return f"no report: {error}"
    return f"report: {path}"
