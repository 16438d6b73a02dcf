"""Every code block of every page is run by a test, or tests/plugin/pages.py says why it is not."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import spikecheck
from spikecheck.monitor import Monitor
from spikecheck.settings import Settings, tomllib
from tests.house.tree import ROOT
from tests.plugin.pages import (
    NO_CODE,
    OF_CHECKS,
    OWN_TESTS,
    Block,
    blocks,
    exists,
    lines_of,
    pages_to_run,
    reason_not_to_run,
)

NETWORK = """
import torch
from snntorch import Leaky
from torch import nn

class Net(nn.Module):
    def __init__(self, threshold=1.0):
        super().__init__()
        self.fc1, self.lif1, self.fc2 = nn.Linear(20, 30), Leaky(beta=0.9, threshold=threshold), nn.Linear(30, 4)

    def forward(self, x):
        potential, outputs = self.lif1.reset_mem(), []
        for x_t in x.unbind(1):
            spikes, potential = self.lif1(self.fc1(x_t), potential)
            outputs.append(self.fc2(spikes))
        return torch.stack(outputs).mean(0)

y = torch.arange(16) % 4
loader = [((torch.rand(16, 12, 20) < torch.where(torch.arange(20) % 4 == y[:, None, None], 0.5, 0.1)).float(), y)
          for _ in range(16)]
batch = loader[0]
factory = Net
"""
TRAIN = """
import argparse
import torch
from network import Net, loader

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=1)
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(parser.parse_args().epochs if __name__ == "__main__" else 1):
    for x, y in loader[:4]:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
QUICK = {"docs/how-to/read-a-report.md", "docs/calibrate.md"}  # run every time
TRAINING = re.compile(r"^( *)\.\.\.(?= |$)", flags=re.MULTILINE)  # how a page says that the script trains
SECONDS_OF_A_COMMAND = 180


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a user has it: a network, a training script, logs, reports, checkpoints and tests."""
    from spikecheck.reference import shd

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {
        "network.py": NETWORK,
        "train.py": TRAIN,
        "lab/train.py": TRAIN,
        "package/module.py": NETWORK,
        "test_network.py": "from network import *\nimport spikecheck\n\n\ndef test_network():\n"
        "    spikecheck.assert_healthy(Net(), batch, nn.functional.cross_entropy)\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    scope = names()
    for name in ("good", "bad"):
        with spikecheck.attach(scope["model"], log=f"{name}.jsonl", on_finding=id) as monitor:
            scope["train"](scope["model"], 0.01)
        (tmp_path / f"{name}.json").write_text(monitor.report().to_json(), encoding="utf-8")
    (tmp_path / "data").symlink_to(shd.unpacked())
    (tmp_path / "runs").mkdir()
    torch.save(scope["model"].state_dict(), "runs/last.pt")
    return tmp_path


def names() -> dict[str, Any]:
    """Return what the pages' code leaves out because every script has it."""
    from torch import nn

    scope: dict[str, Any] = {}
    exec(NETWORK, scope)
    torch.manual_seed(0)
    model, criterion, loader = scope["Net"](), nn.CrossEntropyLoss(), scope["loader"]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def train(model: nn.Module = model, lr: float = 0.01) -> float:
        for x, y in loader[:4]:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
        return 0.5

    with spikecheck.attach(model, on_finding=id) as monitor:
        train()
    return scope | {
        "F": nn.functional,
        "checkpoint": {"spikecheck": monitor.state_dict()},
        "criterion": criterion,
        "encode": lambda x: x,
        "functional": type("functional", (), {"reset_net": staticmethod(lambda model: None)}),
        "loss": criterion,
        "model": model,
        "monitor": monitor,
        "net": model,
        "optimizer": optimizer,
        "report": monitor.report(),
        "spikecheck": spikecheck,
        "torch": torch,
        "train": train,
    }


def run_python(block: Block) -> None:
    """Run a block, and the tests and the objective that it defines."""
    scope = names()
    before = set(scope)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(TRAINING.sub(r"\1train()", block.code), block.page, "exec"), scope)
        for name in set(scope) - before:
            if name.startswith("test_"):
                scope[name]()
            if name == "objective":
                assert scope[name](Trial()) == 0.5


class Trial:
    """As much of an Optuna trial as an objective uses."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        return low

    def set_user_attr(self, name: str, value: object) -> None:
        assert value is not None


def run_command(line: str, folder: Path) -> None:
    """Run a line of shell; exit code 1 says that there are findings, 2 that the line is wrong."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    command = ["bash", "-c", line.removesuffix("&")]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=SECONDS_OF_A_COMMAND)
    assert done.returncode in (0, 1), f"{line}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    "page", [page if page in QUICK else pytest.param(page, marks=pytest.mark.full) for page in pages_to_run()]
)
def test_the_code_of_the_page_runs(page: str, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = {"seconds": 0.5, "treatment_seconds": 0, "progress": False}
    monkeypatch.setattr(spikecheck, "examine", functools.partial(spikecheck.examine, **brief))
    monkeypatch.setattr(Monitor, "examine", functools.partialmethod(Monitor.examine, **brief))
    for block in blocks():
        if block.page == page and block.language == "python" and not reason_not_to_run("python", block.code):
            run_python(block)
        if block.page == page and block.language == "sh":
            for line in lines_of(block):
                if not reason_not_to_run("sh", line):
                    run_command(line, lab)


def test_every_block_is_run_or_says_why_not() -> None:
    kinds = {block.language for block in blocks()}
    assert kinds <= {"python", "sh", *NO_CODE}, "a block names its language: text for what is printed"
    for page, test in OWN_TESTS.items():
        assert exists(test)
        assert page.rpartition("/")[2] in (ROOT / test).read_text(encoding="utf-8"), page
    assert all(exists(test) for test in OF_CHECKS)


def test_every_setting_is_understood() -> None:
    tables = [block for block in blocks() if block.language == "toml" and not block.name]
    settings = [block for block in tables if "[tool.spikecheck" in block.code]
    assert len(settings) > 100
    for block in settings:
        Settings.parsed(tomllib.loads(block.code)["tool"]["spikecheck"])


def test_the_reasons_are_used() -> None:
    from tests.plugin.pages import NOT_RUN, SKETCHES

    lines = [line for block in blocks() if block.language == "sh" for line in lines_of(block)]
    assert not [start for start in NOT_RUN if not any(line.startswith(start) for line in lines)]
    assert not [part for part in SKETCHES if not any(part in block.code for block in blocks())]
    named = re.findall(r"tests/[\w/]+\.py", " ".join([*NOT_RUN.values(), *SKETCHES.values(), *NO_CODE.values()]))
    assert named
    assert not [path for path in named if not exists(path)]
