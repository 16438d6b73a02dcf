"""pytest's door: the fixture `spikecheck`, its marker and options, and the summary.

Loaded in every pytest run where spikecheck is installed, so it imports next to nothing; the rest is imported by the
test that asks for it. The assertions raise with texts of their own, so no file of ours needs pytest's rewriting.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
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
    keep(config, rootdir, "folder", config.rootpath)
    if config.getoption("--spikecheck-update"):
        from spikecheck import baseline

        keep(config, baseline, "updating", True)


def keep(config: pytest.Config, module: ModuleType, name: str, value: object) -> None:
    """Set what a module goes by, for as long as this run of pytest lasts."""
    config.add_cleanup(partial(setattr, module, name, getattr(module, name)))
    setattr(module, name, value)


@pytest.fixture
def spikecheck(request: pytest.FixtureRequest) -> Iterator[Watching]:
    """`spikecheck.attach(model)` watches it while the test lasts; findings at or above the set level fail the test."""
    from spikecheck.assertions.watching import Watching
    from spikecheck.errors import SpikecheckError

    config, marks = request.config, list(request.node.iter_markers("spikecheck"))
    level = config.getoption("--spikecheck-fail-on") or config.getini("spikecheck_fail_on")
    try:
        watching = Watching.marked([(mark.args, mark.kwargs) for mark in marks], fail_on=level)
    except SpikecheckError as error:
        pytest.fail(f"@pytest.mark.spikecheck: {error}", pytrace=False)
    request.node.stash[WATCHING] = watching
    yield watching
    watching.detach()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail the test itself, and not its teardown, where what it watched is unwell."""
    try:
        result = yield
    finally:  # judged here, where an error is the test's own: raised in the hook below, it would end the whole run
        watching = item.stash.get(WATCHING, None)
        if watching is not None:
            watching.judge()
    if watching is not None and (why := watching.trouble()):
        pytest.fail(why, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell the summary what was found; plain strings on the report reach it from a worker of xdist as well."""
    result = yield
    if call.when == "call" and "spikecheck.assertions" in sys.modules:
        from spikecheck.assertions import watching as ours

        watching, raised = item.stash.get(WATCHING, None), None if call.excinfo is None else call.excinfo.value
        if result.failed and watching is not None and watching.reports and not watching.told:
            result.sections.append(("spikecheck, when the test failed", "\n\n".join(map(str, watching.reports))))
        folder = report_folder(item.config) if result.failed else None
        result.spikecheck = ours.outcome(item.nodeid, watching, raised, folder)  # type: ignore[attr-defined]
    return result


def report_folder(config: pytest.Config) -> Path | None:
    """Where the pages go: an option counts from where pytest was started, a setting from the rootdir."""
    option: str | None = config.getoption("--spikecheck-report")
    setting: str = config.getini("spikecheck_report")
    folder = config.rootpath / setting if setting else None
    return config.invocation_params.dir / option if option else folder


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many tests looked at a network's health, what the failing ones found, which baselines were written."""
    tests = [r for kind in terminalreporter.stats.values() for r in kind if hasattr(r, "spikecheck")]
    looked = [(test, test.spikecheck[0]) for test in tests if test.spikecheck[0]]
    unusable_extensions = dict.fromkeys(line for test in tests for line in test.spikecheck[1])
    if looked or unusable_extensions:
        terminalreporter.section("spikecheck")
    if looked:
        plural, failed = "" if len(looked) == 1 else "s", sum(test.failed for test, _ in looked)
        terminalreporter.line(f"{len(looked)} test{plural} looked at a network's health, {failed} failed")
    for test, said in looked:
        if test.failed or "baseline written" in said:
            terminalreporter.line(f"{test.nodeid}: {said}")
    for line in unusable_extensions:
        terminalreporter.line(line)
