"""The report that README.md shows, as text and as a picture, is the one that is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from tests.reference.readme_pictures import PAGE, TERMINAL, terminal
from tests.reference.readme_sample import BLOCK, README, observed, shortened


@pytest.mark.slow
def test_the_report_in_the_readme_is_what_is_printed() -> None:
    report = observed()
    (shown,) = BLOCK.findall(README.read_text(encoding="utf-8"))
    expected = shortened(str(report)).rstrip() + "\n"
    assert shown == expected, "`make pictures` writes the present report"
    assert TERMINAL.read_text(encoding="utf-8") == terminal(report), "`make pictures` draws the present report"


def test_the_readme_shows_both_pictures_and_they_load_nothing() -> None:
    shown = re.findall(r"!\[[^\]]{40,}\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert [ROOT / Path(path) for path in shown] == [TERMINAL, PAGE]
    assert "@font-face" not in TERMINAL.read_text(encoding="utf-8")
    assert "href" not in TERMINAL.read_text(encoding="utf-8")
