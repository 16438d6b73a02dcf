"""`spikecheck examine`: what a factory may return, where the batches come from, and the command as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spikecheck import cli
from spikecheck.cli.examine import arguments_of
from spikecheck.errors import SpikecheckError
from spikecheck.model_run import data
from spikecheck.model_run.batches import cut, read_batches

MODULE = """
import torch
from torch.nn import functional as F
from tests.unit.examination.subjects import Net, batches

def network():
    return Net()

def scrambled():
    net = Net()
    inner = net.forward
    net.forward = lambda x: inner(x.transpose(0, 1).reshape(x.shape))
    return net, F.cross_entropy, torch.optim.SGD(net.parameters(), lr=0.1)

def loader():
    return batches(8)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "examined_nets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "examined_nets"


def test_a_factory_returns_a_model_a_tuple_or_a_dict() -> None:
    net = nn.Linear(2, 2)
    assert arguments_of(net, "f") == {"model": net, "loss_fn": F.cross_entropy}
    assert arguments_of((net, F.mse_loss), "f") == {"model": net, "loss_fn": F.mse_loss}
    assert arguments_of({"model": net, "step": print, "batches": []}, "f") == {
        "model": net,
        "step": print,
        "batches": [],
    }


@pytest.mark.parametrize(
    ("made", "message"),
    [(3, "no torch.nn.Module"), ({"net": 1}, "returned net: expected model"), ((1, 2, 3, 4), "4 values")],
)
def test_what_a_factory_must_not_return_is_named(made, message) -> None:
    with pytest.raises(SpikecheckError, match=message):
        arguments_of(made, "f")


def test_the_command_finds_mixed_samples(module, capsys) -> None:
    arguments = [f"{module}:scrambled", "--data", f"{module}:loader", "--seconds", "600", "--json", "report.json"]
    arguments += ["--treatment-seconds", "0"]
    assert cli.main(["examine", *arguments]) == 1
    written = json.loads(Path("report.json").read_text())
    assert written["root_causes"][0]["check"] == "SPK601"
    assert "SPK601 mixed-samples" in capsys.readouterr().out


def test_without_batches_it_says_what_to_pass(module, capsys) -> None:
    assert cli.main(["examine", f"{module}:network"]) == 2
    assert "pass --data" in capsys.readouterr().err


def test_a_file_is_cut_into_batches(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((7, 100, 5), dtype="float32"), y=np.arange(100) % 3)
    made = read_batches(str(tmp_path / "d.npz"))
    assert [tuple(x.shape) for x, _ in made] == [(7, 32, 5)] * 3 + [(7, 4, 5)]
    assert torch.cat([y for _, y in made]).tolist() == [n % 3 for n in range(100)]


def test_a_file_without_targets_is_refused() -> None:
    with pytest.raises(SpikecheckError, match="needs targets"):
        list(cut(data.Batch((torch.zeros(4, 3),), None, "x of d.npz")))
    with pytest.raises(SpikecheckError, match="as long as its 5 targets"):
        list(cut(data.Batch((torch.zeros(4, 3),), torch.zeros(5), "x of d.npz")))


def test_diagnose_makes_experiments_where_that_is_asked_for(module, capsys) -> None:
    from tests.unit.examination.subjects import Net

    torch.save(Net().state_dict(), "net.pt")
    assert cli.main(["diagnose", "net.pt", "--examine"]) == 2
    assert "--examine needs --model and --data" in capsys.readouterr().err


@pytest.mark.full
def test_diagnose_examines_the_loaded_model(module, capsys) -> None:
    from tests.unit.examination.subjects import Net

    torch.save(Net().state_dict(), "net.pt")
    arguments = ["net.pt", "--model", f"{module}:network", "--data", f"{module}:loader", "--examine", "--json", "-"]
    cli.main(["diagnose", *arguments])
    written = json.loads(capsys.readouterr().out)["files"][0]["report"]
    assert {row["name"]: row["outcome"] for row in written["experiments"]}["changed sample"] == "done"
    assert {v["check"]: v["outcome"] for v in written["verdicts"]}["SPK601"] == "passed"
    assert written["updates"] == 0
