"""`%load_ext spikecheck` and the cell magic, with a stand-in for the notebook's shell."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

import spikecheck
from tests.house.tree import ROOT
from tests.promises.scripts.styles import HEAD

SETUP = HEAD + "net = Net()\noptimizer = torch.optim.Adam(net.parameters(), lr=0.01)\n"
LOOP = "for i in range(5):\n    loss = F.cross_entropy(net(x), y)\n    optimizer.zero_grad()\n    loss.backward()\n"
LOOP += "    optimizer.step()\n"


class Shell:
    """What the extension uses of IPython's shell."""

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {}
        self.magics: dict[str, Any] = {}

    def register_magic_function(self, function: Any, kind: str, name: str) -> None:
        assert kind == "cell"
        self.magics[name] = function

    def run_cell(self, cell: str) -> None:
        """Like the shell's: an exception is shown and not raised."""
        try:
            exec(compile(cell, "<cell>", "exec"), self.user_ns)
        except ZeroDivisionError:
            self.user_ns["raised"] = True


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.syspath_prepend(str(ROOT / "tests/promises/scripts"))
    display = ModuleType("IPython.display")
    made = Shell()
    made.user_ns["shown"] = []
    display.display = lambda bundle, raw: made.user_ns["shown"].append(bundle)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    spikecheck.load_ipython_extension(made)
    made.run_cell(SETUP)
    return made


def test_a_cell_is_run_and_reported_with_the_optimizer_of_an_earlier_cell(shell: Shell) -> None:
    shell.magics["spikecheck"]("", LOOP)
    report = shell.user_ns["spikecheck_reports"]["net (Net)"]
    assert report.updates == 5
    (bundle,) = shell.user_ns["shown"]
    assert bundle["text/plain"].startswith("spikecheck · 5 updates")
    assert "<pre" in bundle["text/html"]


def test_a_cell_that_raises_is_reported(shell: Shell) -> None:
    shell.magics["spikecheck"]("", LOOP + "1 / 0\n")
    assert shell.user_ns["raised"]
    assert len(shell.user_ns["shown"]) == 1


def test_a_cell_without_training_says_so(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.magics["spikecheck"]("", "1 + 1")
    assert "nothing was trained" in capsys.readouterr().err
    assert shell.user_ns["shown"] == []
