"""Which package or module of spikecheck may import which: the table that a test enforces and a page shows.

`docs/generate.py` writes the table into docs/architecture.md; `tests/house/test_rooms.py` checks every import.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.house.tree import LIBRARIES

NOUNS = (
    "site",
    "neuron",
    "readings",
    "update_readings",
    "loss_readings",
    "state_readings",
    "evaluation_readings",
    "excerpts",
    "experiment_readings",
    "timelines",
    "stored",
    "finding",
    "ledger",
    "number_format",
    "settings",
    "rootdir",
    "packages",
    "errors",
    "outside_text",
)
LEFT_TO_RIGHT = ("probe", "stats", "checks", "diagnosis", "report")
JOINERS = (
    "evidence",
    "runlog",
    "sinks",
    "ranks",
    "border",
    "monitor",
    "accepted",
    "announcements",
    "api",
    "checkpoint",
    "assertions",
    "baseline",
    "calibration",
    "plugin",
    "examination",
)
DOORS = (
    "cli",
    "reference",
    "model_run",
    "tuning",
    "script_run",
    "integrations",
    "faults",
    "pytest_plugin",
    "notebook",
    "strategies",
)
ANYTHING = ("*",)


@dataclass(frozen=True)
class Room:
    """What one room may import: of ours, and of others in addition to the standard library."""

    ours: tuple[str, ...]
    others: tuple[str, ...]
    instead: str  # what to do with code that wants more


ROOMS: dict[str, Room] = {
    **dict.fromkeys(
        NOUNS, Room(NOUNS, (), "a noun only names things: move code that needs more to the package that uses it")
    ),
    "probe": Room(NOUNS, ("torch",), "hand the observation to the callback; the monitor passes it on"),
    "stats": Room(NOUNS, ("torch",), "return a reading; the monitor passes it to the checks"),
    "checks": Room(NOUNS, (), "tensors stop at stats: compute it in a statistic, and ask for its reading"),
    "diagnosis": Room(NOUNS, (), "work on findings alone"),
    "report": Room((*NOUNS, "diagnosis"), (), "a view reads the Report: put what is missing into report/model.py"),
    **dict.fromkeys(
        JOINERS, Room((*NOUNS, *LEFT_TO_RIGHT, *JOINERS), ("torch",), "printing and files belong to an entry point")
    ),
    **dict.fromkeys(DOORS, Room(ANYTHING, ANYTHING, "")),
}
# One view, one library: what a single file may name beyond its room's row.
BEYOND = {
    "settings.py": {"tomli", "tomllib"},
    "report/terminal.py": {"rich"},
    "report/changes.py": {"rich"},
    "report/comparison_table.py": {"rich"},
    "report/html": {"jinja2", "markupsafe", "matplotlib"},
    "checkpoint/graph.py": {"h5py"},
    "examination/progress.py": {"rich"},
    **{f"probe/frameworks/{library}.py": {library} for library in LIBRARIES},
}


def table() -> str:
    """Return the rows of ROOMS as docs/architecture.md shows them; rooms with the same row share a line."""
    shared: dict[Room, list[str]] = {}
    for room, row in ROOMS.items():
        shared.setdefault(row, []).append(room)
    lines = ["| who | may import of ours | may import of others |", "|---|---|---|"]
    for row, rooms in shared.items():
        nouns = "the nouns" if set(NOUNS) <= set(row.ours) else ""
        ours = ", ".join(filter(None, [nouns, *(f"`{room}`" for room in row.ours if room not in NOUNS)]))
        others = ", ".join(row.others) or "nothing"
        who = ", ".join(f"`{room}`" for room in rooms)
        everything = row.ours == ANYTHING
        lines.append(f"| {who} | {'anything' if everything else ours} | {'anything' if everything else others} |")
    return "\n".join(lines) + "\n"
