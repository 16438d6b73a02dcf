"""The notebook extension in the shell of IPython itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

LOOP = """
from tests.integrations.networks import loader, loss_of
for batch in loader():
    optimizer.zero_grad()
    loss_of(net, batch).backward()
    optimizer.step()
"""
SETUP = """
import torch
from tests.integrations.networks import seeded_net
net = seeded_net(100.0)
optimizer = torch.optim.Adam(net.parameters(), 5e-3)
"""


@pytest.fixture
def shell() -> Iterator[Any]:
    module = pytest.importorskip("IPython.core.interactiveshell", reason="make integrations")
    shell = module.InteractiveShell.instance()
    shell.run_line_magic("load_ext", "spikecheck")
    assert shell.run_cell(SETUP).success
    yield shell
    shell.run_line_magic("unload_ext", "spikecheck")
    module.InteractiveShell.clear_instance()


def test_a_cell_is_watched_and_its_report_is_below_its_output(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.run_cell(f"%%spikecheck\n{LOOP}\nprint('trained')").success
    text = capsys.readouterr().out
    assert text.index("trained") < text.index("spikecheck · 8 updates")
    assert shell.user_ns["spikecheck_reports"]["net (Net)"].updates == 8


@pytest.mark.parametrize(("cell", "error"), [(f"{LOOP}\n1 / 0", ZeroDivisionError), ("1 +", SyntaxError)])
def test_a_cell_that_fails_stops_those_below(shell: Any, cell: str, error: type[Exception]) -> None:
    assert isinstance(shell.run_cell(f"%%spikecheck\n{cell}").error_in_exec, error)


def test_the_error_of_a_cell_is_shown_once(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%%spikecheck\n1 / 0")
    assert capsys.readouterr().out.count("division by zero") == 1
