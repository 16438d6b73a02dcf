"""The notebooks of the documentation run from top to bottom, and show what their text says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
#: What the output of each notebook must contain.
SHOWN = {
    # 62,996 before, as in docs/notes.md: the last two digits depend on the machine
    "diagnose_the_diary": [r"SPK406", r"SPK201", r"loss before: (?:62,9|63,0)\d\d  after: 3\.2\d"],
    "watch_your_own_network": [
        r"SPK205",
        r"loss after the fix: [01]\.\d+",
        r"SPK213",
        r"loss with reset_net: [01]\.\d+",
    ],
    "write_a_check": [r"LAB001 lif fires 0\.0\d+ times"],
}
QUICK = "write_a_check"


def test_each_is_listed() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"\[(\w+)\.ipynb\]", text) == [path.stem for path in NOTEBOOKS] == sorted(SHOWN)


@pytest.mark.parametrize(
    "path", [p if p.stem == QUICK else pytest.param(p, marks=pytest.mark.full) for p in NOTEBOOKS], ids=lambda p: p.stem
)
def test_every_cell_runs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sinabs", reason="make setup")
    pytest.importorskip("spikingjelly", reason="make setup")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    scope: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        assert not cell.get("outputs"), "outputs are not stored: they would drift"
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.stem}, cell {number}", "exec"), scope)
    output = capsys.readouterr().out
    for pattern in SHOWN[path.stem]:
        assert re.search(pattern, output), f"{pattern} in\n{output}"
