"""The code of docs/how-to/test-your-snn.md, run as the page says."""

from __future__ import annotations

import re

import pytest

from tests.house.tree import ROOT
from tests.plugin.conftest import Runs

PAGE = (ROOT / "docs" / "how-to" / "test-your-snn.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python (\w+\.py)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL))
TOML = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.slow


@pytest.mark.full
def test_the_pages_code_runs_as_it_says(runs: Runs) -> None:
    for name, text in FILES.items():
        (runs.path / name).write_text(text, encoding="utf-8")
    (runs.path / "pyproject.toml").write_text("\n".join(TOML), encoding="utf-8")
    assert len(FILES) == 5
    runs("--spikecheck-update").assert_outcomes(passed=5)
    assert (runs.path / "baseline.json").exists()
    broken = (runs.path / "test_network.py").read_text(encoding="utf-8").replace("Net()", "Net(threshold=100.0)")
    (runs.path / "test_network.py").write_text(broken, encoding="utf-8")
    result = runs()
    result.assert_outcomes(passed=4, failed=1)
    message = re.findall(r"^```text\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0].splitlines()
    result.stdout.fnmatch_lines(message)


def test_the_page_lists_every_assertion() -> None:
    from spikecheck import assertions, baseline

    listed = set(re.findall(r"^\| `(assert_\w+)\(", PAGE, flags=re.MULTILINE))
    assert listed == {name for name in assertions.__all__ if name.startswith("assert_")}
    assert baseline.assert_matches_baseline.__name__ in PAGE
