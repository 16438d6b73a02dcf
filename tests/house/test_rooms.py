"""Each room imports what the table in docs/architecture.md lets it import, and nothing else.

The table is `ROOMS` below; the page shows it, and a test here keeps the two alike.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.tree import LIBRARIES, PACKAGE, ROOT, imports, short

NOUNS = (
    "site",
    "neuron",
    "readings",
    "excerpts",
    "stored",
    "finding",
    "number_format",
    "settings",
    "rootdir",
    "packages",
    "errors",
)
LEFT_TO_RIGHT = ("probe", "stats", "checks", "diagnosis", "report")
JOINERS = ("evidence", "monitor", "api", "checkpoint", "assertions", "baseline")
DOORS = ("cli", "reference", "model_run", "faults", "pytest_plugin", "strategies")
ANYTHING = ("*",)


@dataclass(frozen=True)
class Room:
    """What one room may import: of ours, and of others beside the standard library."""

    ours: tuple[str, ...]
    others: tuple[str, ...]
    instead: str  # what to do with code that wants more


ROOMS: dict[str, Room] = {
    **dict.fromkeys(NOUNS, Room(NOUNS, (), "a noun only names things: move what needs more to the room that does it")),
    "probe": Room(NOUNS, ("torch",), "hand what was seen to the sink; the monitor carries it on"),
    "stats": Room(NOUNS, ("torch",), "return a reading; a check judges it, the monitor carries it there"),
    "checks": Room(NOUNS, (), "tensors stop at stats: compute it in a statistic, and ask for its reading"),
    "diagnosis": Room(NOUNS, (), "work on findings alone"),
    "report": Room((*NOUNS, "diagnosis"), (), "a view reads the Report; put what it lacks into report/model.py"),
    **dict.fromkeys(
        JOINERS, Room((*NOUNS, *LEFT_TO_RIGHT, *JOINERS), ("torch",), "printing and files belong to a door")
    ),
    **dict.fromkeys(DOORS, Room(ANYTHING, ANYTHING, "")),
}
# One view, one library: what a single file may name beyond its room's row.
BEYOND = {
    "settings.py": {"tomli", "tomllib"},
    "report/terminal.py": {"rich"},
    "report/changes.py": {"rich"},
    "report/html": {"jinja2", "markupsafe", "matplotlib"},
    "checkpoint/graph.py": {"h5py"},
    **{f"probe/frameworks/{library}.py": {library} for library in LIBRARIES},
}


def files(room: str) -> list[Path]:
    return sorted([*PACKAGE.glob(f"{room}.py"), *(PACKAGE / room).rglob("*.py")])


def may_import(room: str, path: Path, name: str) -> bool:
    """Does the table let this file of this room import this module?"""
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
        ("probe", "probe/hooks.py", "spikecheck.stats.engine", False),
        ("probe", "probe/hooks.py", "torch.nn", True),
        ("probe", "probe/hooks.py", "sinabs", False),
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


def table() -> str:
    """The rows of ROOMS as docs/architecture.md shows them; rooms with the same row share a line."""
    shared: dict[Room, list[str]] = {}
    for room, row in ROOMS.items():
        shared.setdefault(row, []).append(room)
    lines = ["| room | may import of ours | may import of others |", "|---|---|---|"]
    for row, rooms in shared.items():
        nouns = "the nouns" if set(NOUNS) <= set(row.ours) else ""
        ours = ", ".join(filter(None, [nouns, *(f"`{room}`" for room in row.ours if room not in NOUNS)]))
        others = ", ".join(row.others) or "nothing"
        who = ", ".join(f"`{room}`" for room in rooms)
        everything = row.ours == ANYTHING
        lines.append(f"| {who} | {'anything' if everything else ours} | {'anything' if everything else others} |")
    return "\n".join(lines)


def test_the_architecture_page_shows_this_table() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert table() in page, f"put this into docs/architecture.md:\n{table()}"
