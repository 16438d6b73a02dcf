"""What the report looks like in a terminal; `SPIKECHECK_SNAPSHOTS=write` writes the pictures again: read the diff."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from spikecheck.report.model import Report
from spikecheck.report.terminal import plain_text
from spikecheck.settings import tomllib
from tests.unit.report.reports import LONG, REPORTS, broken

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (80, 120)
every = pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
at_each_width = pytest.mark.parametrize("width", WIDTHS)


def in_color(report: Report, width: int) -> str:
    console = Console(
        file=StringIO(), width=width, color_system="standard", force_terminal=True, force_jupyter=False, no_color=False,
        legacy_windows=False, _environ={},
    )  # fmt: skip
    console.print(report)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def assert_as_drawn(text: str, name: str) -> None:
    path = GOLDEN / name
    if os.environ.get("SPIKECHECK_SNAPSHOTS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"no {name}: SPIKECHECK_SNAPSHOTS=write pytest tests/views"
    assert text == path.read_text(encoding="utf-8"), "SPIKECHECK_SNAPSHOTS=write pytest tests/views, then read the diff"


@every
@at_each_width
def test_the_terminal_report(make: Callable[[], Report], width: int) -> None:
    assert_as_drawn(in_color(make(), width), f"{make.__name__}-{width}.ansi")


@every
@at_each_width
def test_the_plain_report(make: Callable[[], Report], width: int) -> None:
    assert_as_drawn(plain_text(make(), width) + "\n", f"{make.__name__}-{width}.txt")


@every
@pytest.mark.parametrize("width", [40, *WIDTHS, 200])
def test_no_line_but_code_is_longer_than_the_terminal(make: Callable[[], Report], width: int) -> None:
    code = {line for finding in make().findings for line in finding.fix.splitlines()}
    lines = plain_text(make(), width).splitlines()
    assert [line for line in lines if len(line) > width and line[13:] not in code] == []


def test_without_color_the_words_say_what_is_what() -> None:
    text = plain_text(broken(), 120)
    for word in ("ROOT CAUSE", "NOTE", "observed", "expected", "because", "first seen", "fix", "led to", "incomplete:"):
        assert word in text
    assert text.count("ROOT CAUSE") == 2
    assert "+2% time" in text
    assert "+2% time (start +14%)" in plain_text(replace(broken(), start_cost=0.14), 120)
    assert "time" not in plain_text(replace(broken(), cost=None), 120).splitlines()[0]
    assert "explain SPK101" in text


def test_what_the_report_says_to_add_to_pyproject_is_toml() -> None:
    """The header and the entry are two lines there, so the report names the entry and then the header."""
    hints = re.findall(r"^ +ignore +add (.*) under (\[.*\])$", plain_text(broken(), 400), flags=re.MULTILINE)
    assert len(hints) == 3
    for entry, header in hints:
        ((pattern, reason),) = tomllib.loads(f"{header}\n{entry}")["tool"]["spikecheck"]["ignore"].items()
        assert pattern.startswith("SPK")
        assert reason == "reason"


def test_a_headline_that_fills_the_line_leaves_room_before_the_cost() -> None:
    for length in range(60, 90):
        assert "  +2% time" in plain_text(replace(broken(), subject="a" * length + " and the rest"), 80)


def test_no_fix_and_no_name_is_cut_off() -> None:
    for width in WIDTHS:
        text = plain_text(broken(), width)
        assert "x = (x > 0).float()" in text
        assert "model.parameters(), lr=1e-3," in text
        assert LONG in text.replace("\n", "").replace(" ", "")
        assert "…" not in text


@pytest.mark.parametrize("color", [False, True])
def test_no_line_ends_with_blanks(color: bool) -> None:
    console = Console(file=StringIO(), width=100, force_terminal=color, force_jupyter=False, legacy_windows=False)
    console.print(broken())
    assert isinstance(console.file, StringIO)
    lines = re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue()).splitlines()
    assert len(lines) > 10
    assert [line for line in lines if line != line.rstrip()] == []


def test_print_uses_the_width_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "120")
    assert max(map(len, str(broken()).splitlines())) <= 80, "standard output is no terminal"
    monkeypatch.setattr("sys.stdout", Terminal())
    assert str(broken()) == plain_text(broken(), 120)
    monkeypatch.setenv("COLUMNS", "1000")
    assert str(broken()) == plain_text(broken(), 140)
    monkeypatch.setattr("sys.stdout", None)
    assert str(broken()) == plain_text(broken(), 80)
