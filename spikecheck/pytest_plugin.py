"""pytest's door: the fixture `spikecheck`, its marker and options, and the summary.

Loaded in every pytest run where spikecheck is installed, so it imports next to nothing; the rest is imported by the
test that asks for it. The assertions raise with texts of their own, so no file of ours needs pytest's rewriting.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from spikecheck import rootdir

if TYPE_CHECKING:
    from spikecheck.assertions.watching import Watching

LEVELS = ("note", "warning", "error")
WATCHING: pytest.StashKey[Watching] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the command line, and the same as settings in `[tool.pytest.ini_options]`."""
    group = parser.getgroup("spikecheck", "spikecheck: the health of spiking networks")
    level = "the gravest finding that passes is below this: note, warning or error"
    group.addoption("--spikecheck-fail-on", choices=LEVELS, help=f"{level} (default: warning)")
    group.addoption("--spikecheck-report", metavar="DIR", help="write an HTML report there for each failing test")
    group.addoption("--spikecheck-update", action="store_true", help="write the baselines anew instead of comparing")
    parser.addini("spikecheck_fail_on", level, default="warning")
    parser.addini("spikecheck_report", "folder for the HTML reports of failing tests", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known; say at once where a setting is wrong."""
    config.addinivalue_line(
        "markers", "spikecheck(ignore=[...], fail_on='warning'): what the fixture spikecheck lets pass in this test"
    )
    if (level := config.getini("spikecheck_fail_on")) not in LEVELS:
        raise pytest.UsageError(f"spikecheck_fail_on = {level!r}: it takes {', '.join(LEVELS)}")
    if report_folder(config):
        from spikecheck.errors import SpikecheckError
        from spikecheck.report import html

        try:
            html.required()
        except SpikecheckError as error:
            raise pytest.UsageError(str(error)) from error
    before, rootdir.folder = rootdir.folder, config.rootpath
    config.add_cleanup(lambda: setattr(rootdir, "folder", before))
    if config.getoption("--spikecheck-update"):
        from spikecheck import baseline

        baseline.updating = True


def report_folder(config: pytest.Config) -> str:
    """Where the reports of failing tests go; empty where none are asked for."""
    folder: str = config.getoption("--spikecheck-report") or config.getini("spikecheck_report")
    return folder


@pytest.fixture
def spikecheck(request: pytest.FixtureRequest) -> Iterator[Watching]:
    """`spikecheck.attach(model)` watches it while the test lasts; findings at or above the set level fail the test."""
    from spikecheck.assertions.watching import Watching

    config = request.config
    fail_on = config.getoption("--spikecheck-fail-on") or config.getini("spikecheck_fail_on")
    ignore: list[str] = []
    for marker in reversed(list(request.node.iter_markers("spikecheck"))):  # the closest one comes last, and counts
        if marker.args or set(marker.kwargs) - {"ignore", "fail_on"}:
            pytest.fail(f"{marker}: the marker takes ignore=[...] and fail_on='warning'", pytrace=False)
        given = marker.kwargs.get("ignore", ())
        ignore += [given] if isinstance(given, str) else given
        fail_on = marker.kwargs.get("fail_on", fail_on)
    request.node.stash[WATCHING] = watching = Watching(fail_on=fail_on, ignore=ignore)
    yield watching
    watching.detach()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail the test itself, and not its teardown, where what it watched is unwell."""
    result = yield
    watching = item.stash.get(WATCHING, None)
    if watching is not None and (why := watching.trouble()):
        pytest.fail(why, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell the summary what was found; a plain string on the report reaches it from a worker of xdist as well."""
    result = yield
    if call.when != "call" or "spikecheck.assertions" not in sys.modules:
        return result
    from spikecheck.assertions import watching as ours

    watching = item.stash.get(WATCHING, None)
    reports = [] if watching is None else watching.reports()
    if reports and result.failed and watching is not None and not watching.told:
        result.sections.append(("spikecheck, when the test failed", "\n\n".join(map(str, reports))))
    raised = None if call.excinfo is None else call.excinfo.value
    if raised is not None and (diagnosed := getattr(raised, "report", None)) and hasattr(diagnosed, "root_causes"):
        reports.append(diagnosed)
    folder = report_folder(item.config)
    path = (
        ours.written(item.config.invocation_params.dir / folder, item.nodeid, reports)
        if (reports and result.failed and folder)
        else None
    )
    if said := ours.summary(reports, path):
        result.spikecheck = said  # type: ignore[attr-defined]
    return result


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many tests looked at a network's health, what the failing ones found, which baselines were written."""
    reports = [r for kind in terminalreporter.stats.values() for r in kind if hasattr(r, "spikecheck")]
    if reports:
        terminalreporter.section("spikecheck")
        failed = [r for r in reports if r.failed]
        terminalreporter.line(f"{len(reports)} tests looked at a network's health, {len(failed)} failed")
        for report in reports:
            if report.failed or "baseline written" in report.spikecheck:
                terminalreporter.line(f"{report.nodeid}: {report.spikecheck}")
