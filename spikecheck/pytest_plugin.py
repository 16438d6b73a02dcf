"""The pytest plugin: the fixture `spikecheck`, its marker and options, and the summary.

It is loaded in every pytest run where spikecheck is installed, so it imports almost nothing; a test that uses the
fixture imports the rest. The assertions have their own messages and need no assertion rewriting.
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
    """Add the command-line options, and the settings of the same names in `[tool.pytest.ini_options]`."""
    group = parser.getgroup("spikecheck", "spikecheck: tests of spiking neural networks")
    level = "fail on findings of this severity or above: note, warning or error"
    group.addoption("--spikecheck-fail-on", choices=LEVELS, help=f"{level} (default: warning)")
    group.addoption("--spikecheck-report", metavar="DIR", help="write an HTML report here for each failed test")
    accepted = "findings in this file do not fail tests with the fixture spikecheck"
    group.addoption("--spikecheck-baseline", metavar="FILE", help=accepted)
    group.addoption("--spikecheck-update", action="store_true", help="write the baseline files instead of using them")
    parser.addini("spikecheck_fail_on", level, default="warning")
    parser.addini("spikecheck_baseline", accepted, default="")
    parser.addini("spikecheck_report", "folder for the HTML reports of failed tests", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and validate the settings."""
    config.addinivalue_line(
        "markers", "spikecheck(ignore=[...], fail_on='warning'): what the fixture spikecheck ignores in this test"
    )
    if (level := config.getini("spikecheck_fail_on")) not in LEVELS:
        raise pytest.UsageError(f"spikecheck_fail_on = {level!r}: must be one of {', '.join(LEVELS)}")
    if report_folder(config):
        from spikecheck.errors import SpikecheckError
        from spikecheck.report import html

        try:
            html.required()
        except SpikecheckError as error:
            raise pytest.UsageError(str(error)) from error
    set_for_run(config, rootdir, "folder", config.rootpath)
    if config.getoption("--spikecheck-update"):
        from spikecheck import baseline

        set_for_run(config, baseline, "updating", True)


def set_for_run(config: pytest.Config, module: ModuleType, name: str, value: object) -> None:
    """Set a variable of a module until the end of this pytest run."""
    config.add_cleanup(partial(setattr, module, name, getattr(module, name)))
    setattr(module, name, value)


@pytest.fixture
def spikecheck(request: pytest.FixtureRequest) -> Iterator[Watching]:
    """Watch a model during the test with `spikecheck.attach(model)`; findings of the set severity fail the test."""
    from spikecheck.assertions.watching import Watching
    from spikecheck.errors import SpikecheckError

    config, marks = request.config, list(request.node.iter_markers("spikecheck"))
    level = config.getoption("--spikecheck-fail-on") or config.getini("spikecheck_fail_on")
    try:
        watching = Watching.marked([(mark.args, mark.kwargs) for mark in marks], fail_on=level)
    except SpikecheckError as error:
        pytest.fail(f"@pytest.mark.spikecheck: {error}", pytrace=False)
    watching.test = request.node.nodeid
    watching.accepts_all = config.getoption("--spikecheck-update") and baseline_file(config) is not None
    if (file := baseline_file(config)) and not watching.accepts_all:
        from spikecheck.accepted import AcceptedFindings

        try:
            watching.accepted = AcceptedFindings.load(file)
        except SpikecheckError:
            pytest.fail(f"{file} cannot be read: pytest --spikecheck-update writes it", pytrace=False)
    request.node.stash[WATCHING] = watching
    yield watching
    watching.detach()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail the test itself, not its teardown, if there are findings about the models that it watched."""
    try:
        result = yield
    finally:  # an error here fails the test; an error in the hook below would end the whole pytest run
        watching = item.stash.get(WATCHING, None)
        if watching is not None:
            watching.judge()
    if watching is not None and (text := watching.failure()):
        pytest.fail(text, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Store the line for the summary on the report, as plain strings, which xdist can send from its workers."""
    result = yield
    if call.when == "call" and "spikecheck.assertions" in sys.modules:
        from spikecheck.assertions import watching as ours

        watching, raised = item.stash.get(WATCHING, None), None if call.excinfo is None else call.excinfo.value
        if result.failed and watching is not None and watching.reports and not watching.explained:
            result.sections.append(
                ("spikecheck report at the time of the failure", "\n\n".join(map(str, watching.reports)))
            )
        folder = report_folder(item.config) if result.failed else None
        result.spikecheck = ours.outcome(item.nodeid, watching, raised, folder)  # type: ignore[attr-defined]
    return result


def baseline_file(config: pytest.Config) -> Path | None:
    """Return the file of accepted findings: an option is relative to the working folder, a setting to the rootdir."""
    option: str | None = config.getoption("--spikecheck-baseline")
    setting: str = config.getini("spikecheck_baseline")
    file = config.rootpath / setting if setting else None
    return config.invocation_params.dir / option if option else file


def report_folder(config: pytest.Config) -> Path | None:
    """Return the folder for pages: an option is relative to the working folder, a setting to the rootdir."""
    option: str | None = config.getoption("--spikecheck-report")
    setting: str = config.getini("spikecheck_report")
    folder = config.rootpath / setting if setting else None
    return config.invocation_params.dir / option if option else folder


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many tests checked a network, the root causes of failed ones, and the baselines that were written."""
    tests = [r for kind in terminalreporter.stats.values() for r in kind if hasattr(r, "spikecheck")]
    lines = [(test, test.spikecheck[0]) for test in tests if test.spikecheck[0]]
    unusable_extensions = dict.fromkeys(line for test in tests for line in test.spikecheck[1])
    accepted = write_accepted(terminalreporter.config, tests)
    if lines or unusable_extensions or accepted:
        terminalreporter.section("spikecheck")
    if lines:
        plural, failed = "" if len(lines) == 1 else "s", sum(test.failed for test, _ in lines)
        terminalreporter.line(f"{len(lines)} test{plural} made a report, {failed} failed")
    for test, text in lines:
        if test.failed or test.spikecheck[2]:
            terminalreporter.line(f"{test.nodeid}: {text}")
    for line in [*unusable_extensions, *accepted]:
        terminalreporter.line(line)


def write_accepted(config: pytest.Config, tests: list[Any]) -> list[str]:
    """Write the findings of these tests to the file that accepts them, where that is asked for; return what to say."""
    file = baseline_file(config)
    watched = {test.nodeid: test.spikecheck[3] for test in tests if test.spikecheck[3] is not None}
    if file is None or not config.getoption("--spikecheck-update"):
        return []
    if not watched:
        is_option = config.getoption("--spikecheck-baseline") is not None
        return [f"{file} was not written: no test with the fixture spikecheck was run"] if is_option else []
    from spikecheck.accepted import update_tests
    from spikecheck.errors import SpikecheckError

    try:
        return [update_tests(file, watched)]
    except SpikecheckError as error:
        return [str(error)]
