"""The plugin under each supported version of pytest, which `make pytests` puts into folders of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from tests.plugin.conftest import Runs
from tests.plugin.test_pytest_plugin import SUITE

LINES = Path(__file__).with_name("pytest_versions.txt").read_text(encoding="utf-8").splitlines()
VERSIONS = [line for line in LINES if line and not line.startswith("#")]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", VERSIONS)
def test_the_suite_says_the_same_under_this_pytest(runs: Runs, version: str) -> None:
    folder = Path(sys.prefix) / "pytest" / version
    if not folder.is_dir():
        pytest.skip("make pytests")
    runs.first_on_path(folder)
    result = runs("-p", "no:xdist", "--spikecheck-report=reports", test_suite=SUITE)
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(
        [
            f"*pytest-{version}*",
            "spikecheck · 3 updates · torch · 1 spiking layer*",
            "*= spikecheck =*",
            "5 tests made a report, 3 failed",
            "test_suite.py::test_dead: SPK203 dead-layer at lif1*; report: *test_suite-py-test_dead-*.html",
        ]
    )


def test_the_oldest_is_the_one_that_the_package_asks_for() -> None:
    asked = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'pytest = ["pytest>={VERSIONS[0].partition(".")[0]}"]' in asked
