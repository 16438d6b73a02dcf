"""The documentation as a site: every page is in the navigation, the reference is complete, and it builds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import spikecheck
from docs.site.pages import (
    CHAPTERS,
    as_site_page,
    cause_table,
    entries_in,
    notebook_page,
    pages_in,
    without_links_to_code,
)
from tests.house.tree import ROOT

SITE = ROOT / "docs" / "site"


def test_every_page_is_in_the_navigation() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / target).resolve() for target in pages_in(index.read_text(encoding="utf-8"))}
    listed |= {path for pattern in CHAPTERS.values() for path in ROOT.glob(pattern)}
    missing = {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - listed - {index}
    assert not missing, "docs/index.md lists every page"


def test_the_reference_has_every_public_name() -> None:
    text = (SITE / "api.rst").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto(?:function|class):: spikecheck\.(\w+)", text, flags=re.MULTILINE)
    assert sorted(named) == sorted(spikecheck.__all__)


def test_a_link_to_code_is_text_and_a_link_to_a_page_stays() -> None:
    text = "[A](../README.md#use), [B](https://x.org), [tests](../tests/house), [Source](../docs/generate.py)"
    shown = without_links_to_code(text, ROOT / "docs", ROOT)
    assert shown == "[A](../README.md#use), [B](https://x.org), tests, Source: `docs/generate.py`"


def test_the_navigation_calls_a_page_as_the_link_does_unless_that_is_a_word_in_a_sentence() -> None:
    entries = entries_in("- [Quick start](../README.md#use), and a [drawing](causes.md), again [there](../README.md)")
    assert entries == ["Quick start <../README.md>", "causes.md"]


def test_a_notebook_is_a_page_with_its_code() -> None:
    text = (ROOT / "docs" / "notebooks" / "write_a_check.ipynb").read_text(encoding="utf-8")
    page = notebook_page(text)
    assert page.startswith("# Write a check\n")
    assert "```python\nfrom dataclasses import dataclass\n" in page


def test_a_graph_is_a_table() -> None:
    graph = '    SPK1["SPK1<br>a"]\n    SPK2["SPK2<br>b"]\n    SPK1 --> SPK2\n'
    assert cause_table(graph).splitlines()[-1] == "| [SPK1 a](SPK1.md) | [SPK2 b](SPK2.md) |"
    page = as_site_page("docs/checks/causes", (ROOT / "docs/checks/causes.md").read_text(encoding="utf-8"), ROOT)
    assert "mermaid" not in page


@pytest.mark.full
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason="make setup")
    site = tmp_path / "site"
    command = [
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-c",
        str(SITE),
        "-d",
        str(tmp_path / "trees"),
        str(ROOT),
        str(site),
    ]
    run = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    pages = list(site.rglob("*.html"))
    assert len(pages) > 100
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]*src="(\w+:)?//[^"]*"|<link [^>]*href="https?:[^"]*"', text)
        assert not loaded, page
    assert "attach" in (site / "searchindex.js").read_text(encoding="utf-8")
