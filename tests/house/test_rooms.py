"""Each package imports only what the table in tests/house/rooms.py lets it import."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.house.rooms import ANYTHING, BEYOND, ROOMS, table
from tests.house.tree import PACKAGE, ROOT, imports, short


def files(room: str) -> list[Path]:
    return sorted([*PACKAGE.glob(f"{room}.py"), *(PACKAGE / room).rglob("*.py")])


def may_import(room: str, path: Path, name: str) -> bool:
    """Return whether the table lets this file of this room import this module."""
    row = ROOMS[room]
    first, *rest = name.split(".")
    if first == "spikecheck":
        return row.ours == ANYTHING or (bool(rest) and rest[0] in {*row.ours, room})
    beyond = {lib for place, libs in BEYOND.items() if short(path).startswith(f"spikecheck/{place}") for lib in libs}
    return row.others == ANYTHING or first in {*row.others, *beyond} | sys.stdlib_module_names


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_its_row_allows(room: str) -> None:
    row = ROOMS[room]
    strays = [
        f"{short(path)}:{line} imports {name}. {room} may import {', '.join(row.ours)}"
        f" and {', '.join(row.others) or 'the standard library alone'}: {row.instead}"
        for path in files(room)
        for line, name in imports(path)
        if not may_import(room, path, name)
    ]
    assert not strays, "\n".join(strays)


def test_every_file_lies_in_a_room() -> None:
    known = {path for room in ROOMS for path in files(room)} | {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}
    homeless = [short(path) for path in sorted(PACKAGE.rglob("*.py")) if path not in known]
    assert not homeless, f"no row of ROOMS covers {homeless}: move them into a room, or give the table a row"


@pytest.mark.parametrize(
    ("room", "file", "name", "allowed"),
    [
        ("checks", "checks/spk203_dead_layer.py", "torch", False),
        ("checks", "checks/spk203_dead_layer.py", "spikecheck.stats.spikes", False),
        ("checks", "checks/spk203_dead_layer.py", "spikecheck.readings", True),
        ("checks", "checks/spk203_dead_layer.py", "spikecheck", False),
        ("probe", "probe/session.py", "spikecheck.stats.engine", False),
        ("probe", "probe/session.py", "torch.nn", True),
        ("probe", "probe/session.py", "sinabs", False),
        ("probe", "probe/frameworks/sinabs.py", "sinabs.layers", True),
        ("report", "report/terminal.py", "rich.table", True),
        ("report", "report/model.py", "rich.table", False),
        ("monitor", "monitor.py", "spikecheck.faults", False),
        ("monitor", "monitor.py", "spikecheck.cli", False),
        ("cli", "cli/train.py", "snntorch", True),
    ],
)
def test_the_table_says_yes_and_no(room: str, file: str, name: str, allowed: bool) -> None:
    assert may_import(room, PACKAGE / file, name) is allowed


def test_the_architecture_page_shows_this_table() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert table() in page, "`make docs` writes the table into docs/architecture.md"
