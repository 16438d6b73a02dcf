"""Decision records are numbered without unexplained gaps, have the same parts, and are listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import UNUSED_DECISIONS, decisions
from tests.house.tree import ROOT, short

FOLDER = ROOT / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("0*.md"))
every_record = pytest.mark.parametrize("record", RECORDS, ids=[record.stem for record in RECORDS])


def number(record: Path) -> int:
    return int(record.name[:4])


def test_every_number_has_one_record_or_is_stated_as_unused() -> None:
    numbers = sorted([*map(number, RECORDS), *UNUSED_DECISIONS])
    assert numbers == list(range(1, numbers[-1] + 1)), "write the record, or add its number to UNUSED_DECISIONS"


@every_record
def test_a_record_has_title_status_and_three_parts(record: Path) -> None:
    title, _, status, *rest = record.read_text(encoding="utf-8").splitlines()
    assert title.startswith(f"# {number(record)}. ")
    superseded = re.fullmatch(r"Status: superseded by \[(\d+)\]\(([^)]+)\)", status)
    assert status == "Status: accepted" or superseded
    assert not superseded or (FOLDER / superseded[2]).exists()
    parts = re.findall(r"^\*\*(\w+)\.\*\*", "\n".join(rest), flags=re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences"]


def test_the_index_lists_every_record() -> None:
    page = FOLDER / "README.md"
    assert page.read_text(encoding="utf-8") == decisions(), f"{short(page)} is out of date: `make docs`"


def test_records_that_code_refers_to_exist() -> None:
    for path in [*(ROOT / "spikecheck").rglob("*.py"), ROOT / "pyproject.toml"]:
        for name in re.findall(r"docs/decisions/([\w-]+)(?:\.md)?", path.read_text(encoding="utf-8")):
            assert list(FOLDER.glob(f"{name}*")), f"{short(path)} refers to docs/decisions/{name}"
