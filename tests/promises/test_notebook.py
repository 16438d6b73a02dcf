"""`%load_ext spikecheck` and the cell magic, with a stand-in for the notebook's shell."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import spikecheck
from spikecheck.errors import SpikecheckWarning
from spikecheck.report import notebook
from tests.house.tree import ROOT
from tests.promises.networks import Run, by_hand
from tests.promises.scripts.styles import HEAD

SETUP = HEAD + "net = Net()\noptimizer = torch.optim.Adam(net.parameters(), lr=0.01)\n"
LOOP = "for i in range(5):\n    loss = F.cross_entropy(net(x), y)\n    optimizer.zero_grad()\n    loss.backward()\n"
LOOP += "    optimizer.step()\n"


class Shell:
    """What the extension uses of IPython's shell."""

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {}
        self.magics: dict[str, Any] = {}
        self.kernel: object = None

    def register_magic_function(self, function: Any, kind: str, name: str) -> None:
        assert kind == "cell"
        self.magics[name] = function

    def run_cell(self, cell: str) -> SimpleNamespace:
        """Like the shell's: an exception is shown and not raised."""
        result = SimpleNamespace(error_before_exec=None, error_in_exec=None)
        try:
            exec(compile(cell, "<cell>", "exec"), self.user_ns)
        except ZeroDivisionError as error:
            result.error_in_exec = error
        return result


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.syspath_prepend(str(ROOT / "tests/promises/scripts"))
    display = ModuleType("IPython.display")
    made = Shell()
    made.user_ns["shown"] = []
    display.display = lambda bundle, raw: made.user_ns["shown"].append(bundle)  # type: ignore[attr-defined]
    package = ModuleType("IPython")
    package.version_info, package.get_ipython = (8, 24), lambda: None  # type: ignore[attr-defined]  # matplotlib asks
    monkeypatch.setitem(sys.modules, "IPython", package)
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
    with pytest.raises(ZeroDivisionError):  # so that the cells below it are not run
        shell.magics["spikecheck"]("", LOOP + "1 / 0\n")
    assert len(shell.user_ns["shown"]) == 1


def test_a_cell_without_training_says_so(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.magics["spikecheck"]("", "1 + 1")
    assert "nothing was trained" in capsys.readouterr().err
    assert shell.user_ns["shown"] == []


def test_a_warning_is_one_line_that_opens(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    other: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *where: other.append(str(message)))
    shell.kernel = object()
    for _ in range(2):  # loaded twice
        spikecheck.load_ipython_extension(shell)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("SPK203 dead-layer: lif1 <b> is silent\n  observed: 0 spikes", SpikecheckWarning, stacklevel=1)
        warnings.warn("another", UserWarning, stacklevel=1)
    (bundle,) = shell.user_ns["shown"]
    assert bundle["text/html"].startswith("<details><summary>SPK203 dead-layer: lif1 &lt;b&gt; is silent</summary>")
    assert "observed: 0 spikes" in bundle["text/html"]
    assert other == ["another"]
    spikecheck.unload_ipython_extension(shell)
    warnings.warn("third", SpikecheckWarning, stacklevel=1)
    assert other == ["another", "third"]


def test_a_report_has_its_pictures_and_a_monitor_its_report(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(by_hand())
    with spikecheck.attach(run.model) as monitor:
        run.train(2)
    shown = monitor._repr_html_()
    assert shown.startswith("<code>&lt;Monitor of ByHand")
    assert "<summary>pictures</summary><iframe srcdoc=" in shown
    assert "<script" not in shown.partition("<iframe")[0]
    monkeypatch.setattr(notebook.pages, "is_available", lambda: False)
    assert "<iframe" not in monitor.report()._repr_html_()
    assert "background:#fff" in monitor.report()._repr_html_()
