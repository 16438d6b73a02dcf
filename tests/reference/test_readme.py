"""The report that README.md shows is the one that is printed."""

from __future__ import annotations

import pytest

from tests.reference.readme_sample import BLOCK, README, report, shortened


@pytest.mark.slow
def test_the_report_in_the_readme_is_what_is_printed() -> None:
    (shown,) = BLOCK.findall(README.read_text(encoding="utf-8"))
    expected = shortened(report()).rstrip() + "\n"
    assert shown == expected, "`python -m tests.reference.readme_sample` writes the present report"
