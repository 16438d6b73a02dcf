"""`spikecheck diagnose --model`: the weights in their model, run once, by the real command in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikecheck.cli import main
from tests.house.tree import ROOT

pytestmark = pytest.mark.slow

NETS = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tests.promises.networks import LIF

print("a word on standard output")

class Net(nn.Module):
    def __init__(self, hidden, threshold):
        super().__init__()
        self.fc1, self.lif, self.fc2 = nn.Linear(12, hidden), LIF(threshold=threshold), nn.Linear(hidden, 4)

    def forward(self, x):
        return self.fc2(self.lif(self.fc1(x))).mean(0)

def make(hidden=16, threshold=0.3):
    return Net(hidden, threshold)

def compiled():
    return nn.DataParallel(make())

class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.lif, self.fc = nn.Conv2d(2, 3, 5, stride=4), LIF(), nn.Linear(3 * 8 * 8, 4)

    def forward(self, x):
        steps = torch.stack([self.conv(frame) for frame in x])
        return self.fc(self.lif(steps).flatten(2)).mean(0)

class Silent(Exception):
    pass

def raises():
    raise Silent

def number():
    return 3

def loader():
    x, y = (torch.rand(24, 10, 12) < 0.3).float(), torch.randint(4, (24,))
    for a, b in DataLoader(TensorDataset(x, y), batch_size=8):
        yield a.movedim(0, 1), b

def pair():
    return [(torch.rand(10, 8, 12) < 0.3).float(), torch.arange(8) % 4]  # a list, as next(iter(loader)) gives it

LOADER = [(a, b) for a, b in loader()]

def wrong_labels():
    return (torch.rand(10, 8, 12) < 0.3).float(), torch.full((8,), 9)

def empty():
    return []

class Talks(Net):
    def forward(self, x):
        print("a word in the middle of a forward")
        return super().forward(x)

class Words(nn.Module):                               # [batch, time, channel], as the reference set gives it
    def __init__(self, threshold=0.3):
        super().__init__()
        self.fc1, self.lif, self.fc2 = nn.Linear(140, 24), LIF(threshold=threshold), nn.Linear(24, 20)

    def forward(self, x):
        return self.fc2(self.lif(self.fc1(x.movedim(1, 0)))).mean(0)

class Raises(Net):
    def forward(self, x):
        raise ValueError("a mistake of the user's own")

def leaves():
    raise SystemExit(3)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: a module, checkpoints, batches."""
    import h5py

    folder = tmp_path_factory.mktemp("user")
    (folder / "spk_nets.py").write_text(NETS, encoding="utf-8")
    (folder / "spk_broken.py").write_text("import spk_nowhere\n", encoding="utf-8")
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        import spk_nets  # type: ignore[import-not-found]

        net = spk_nets.make()
        files: dict[str, Any] = {
            "ok": {"model": net.state_dict(), "epoch": 3},
            "parallel": {f"module.{k}": v for k, v in net.state_dict().items()},
            "renamed": {k.replace("fc2", "out"): v for k, v in net.state_dict().items()},
            "wide": spk_nets.make(32).state_dict(),
            "dead": {k: v - 100 if k == "fc1.bias" else v for k, v in net.state_dict().items()},
            "image": spk_nets.Image().state_dict(),
            "words": spk_nets.Words().state_dict(),
            "meta": {k: v.to("meta") if k == "fc2.bias" else v for k, v in net.state_dict().items()},
        }
    for name, content in files.items():
        torch.save(content, folder / f"{name}.pt")
    x, y = (np.random.default_rng(0).random((10, 8, 12)) < 0.3).astype("uint8"), np.arange(8) % 4
    np.savez(folder / "batch.npz", x=x, y=y)
    np.savez(folder / "wrong.npz", x=x[..., :5], y=y)
    np.savez(folder / "line.npz", x=y)
    np.savez(folder / "objects.npz", x=np.array([{}], dtype=object))
    for ending in ("pt", "pth", "PT"):
        torch.save((torch.from_numpy(x), torch.from_numpy(y)), folder / f"batch.{ending}")
    torch.save({"Y": torch.from_numpy(y), "Inputs": torch.from_numpy(x)}, folder / "named.pth")
    for ending in ("h5", "hdf5"):
        with h5py.File(folder / f"batch.{ending}", "w") as file:
            file["frames"], file["labels"] = x, y
    with h5py.File(folder / "events.h5", "w") as file:
        file.create_group("spikes")
    (folder / "text.npz").write_text("hello", encoding="utf-8")
    return folder


def diagnose(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spikecheck", "diagnose", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(folder)},
    )


def checks(output: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What each check answered, of one file's report on standard output."""
    (file,) = json.loads(output.stdout)["files"]
    return {verdict["check"]: verdict["outcome"] for verdict in file["report"]["verdicts"]}


def test_a_model_with_data_is_judged_by_all_checks_that_apply(folder: Path) -> None:
    output = diagnose(folder, "ok.pt", "--model", "spk_nets:make", "--data", "batch.npz", "--json", "-")
    assert output.returncode == 0, output.stderr
    answers = checks(output)
    assert {answers[check] for check in ("SPK201", "SPK203", "SPK401", "SPK301", "SPK509", "SPK501")} == {"passed"}
    report = json.loads(output.stdout)["files"][0]["report"]
    assert [layer["name"] for layer in report["layers"]] == ["lif"]
    assert "one batch of [10, 8, 12], 'x' and 'y' of batch.npz" in report["subject"]
    assert "a word on standard output" in output.stderr
    assert len(answers) == len(report["verdicts"]), "each check answers once"


def test_what_a_model_prints_does_not_get_into_the_report(folder: Path) -> None:
    talks = ("--model", "spk_nets:Talks", *ARGS)
    for data in (("--data", "batch.npz"), ()):
        output = diagnose(folder, "ok.pt", *talks, *data, "--json", "-")
        assert checks(output)["SPK203"] == "passed"
        assert "a word in the middle of a forward" in output.stderr


def test_without_data_the_spikes_are_made_up_and_that_is_said(folder: Path) -> None:
    for file, model in (("ok.pt", "spk_nets:make"), ("image.pt", "spk_nets:Image")):
        output = diagnose(folder, file, "--model", model, "--json", "-")
        assert output.returncode == 0, output.stderr
        report = json.loads(output.stdout)["files"][0]["report"]
        assert "synthetic spikes in 10% of the bins" in report["subject"]
        assert any(one["kind"] == "a substitute" for one in report["unseen"])
        assert report["layers"][0]["rate"] > 0


@pytest.mark.usefixtures("here")
def test_of_made_up_spikes_what_holds_for_sparse_and_dense_ones_alike_is_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A threshold that a tenth of the inputs does not reach may well be reached by what the model was trained with."""
    output = {}
    for threshold in (5.5, 1e4):
        arguments = json.dumps({"threshold": threshold})
        code = main(["diagnose", "ok.pt", *MODEL, "--model-args", arguments, "--json", "-"])
        output[threshold] = code, json.loads(capsys.readouterr().out)["files"][0]["report"]["verdicts"]
    for threshold, answer, code in ((5.5, "could not run", 0), (1e4, "found", 1)):
        assert output[threshold][0] == code
        assert {v["outcome"] for v in output[threshold][1] if v["check"] == "SPK203"} == {answer}


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder as the working folder; the path that --model puts in is taken out again."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path[:])
    return folder


MODEL = ["--model", "spk_nets:make"]
ARGS = ["--model-args", '{"hidden": 16, "threshold": 0.3}']
WORDS = ["--model", "spk_nets:Words"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["ok.pt", *MODEL, "--data", "batch.pt"], 0, "of batch.pt"),
        (["ok.pt", *MODEL, "--data", "batch.pth"], 0, "of batch.pth"),
        (["ok.pt", *MODEL, "--data", "batch.PT"], 0, "of batch.PT"),
        (["ok.pt", *MODEL, "--data", "named.pth"], 0, "'Inputs' and 'Y' of named.pth"),
        (["ok.pt", *MODEL, "--data", "batch.h5"], 0, "'frames' and 'labels' of batch.h5"),
        (["ok.pt", *MODEL, "--data", "batch.hdf5"], 0, "'frames' and 'labels' of batch.hdf5"),
        (["words.pt", *WORDS, "--data", "reference"], 0, "one batch of [64, 50, 140], test samples of"),
        (["words.pt", *WORDS, "--model-args", '{"threshold": 1e9}', "--data", "reference"], 1, "SPK203"),
        (["ok.pt", *MODEL, "--data", "reference"], 2, "data of shape [64, 50, 140] raised RuntimeError"),
        (["ok.pt", "--model", "spk_nets:Raises", *ARGS, "--data", "batch.pt"], 2, "a mistake of the user's own ("),
        (["ok.pt", "--model", "spk_nets:leaves"], 2, "raised SystemExit: 3"),
        (["ok.pt", *MODEL, "--data", "spk_nets:loader"], 0, "the first batch of spk_nets:loader"),
        (["ok.pt", *MODEL, "--data", "spk_nets:LOADER"], 0, "the first batch of spk_nets:LOADER"),
        (["ok.pt", *MODEL, "--data", "spk_nets:pair"], 0, "cross-entropy takes its place"),
        (["ok.pt", *MODEL, "--model-args", '{"threshold": 1000.0}', "--data", "batch.npz"], 1, "SPK203"),
        (["dead.pt", *MODEL, "--data", "batch.npz"], 1, "SPK205"),
        (["ok.pt", *MODEL, "--data", "spk_nets:wrong_labels"], 1, "SPK306"),
        (["wide.pt", *MODEL, "--model-args", '{"hidden": 32}', "--data", "batch.npz"], 0, "passed"),
        (["wide.pt", *MODEL], 1, "fc1.weight [32, 12] in the file, [16, 12] in the model"),
        (["renamed.pt", *MODEL], 1, "layers were renamed"),
        (["parallel.pt", *MODEL, "--data", "batch.npz"], 0, "begin with 'module.' (a model in DataParallel)"),
        (["ok.pt", "--model", "spk_nets:compiled", "--data", "batch.npz"], 0, "the model's keys begin with 'module.'"),
        (["ok.pt", *MODEL, "--data", "wrong.npz"], 2, "data of shape [10, 8, 5] raised RuntimeError: mat1"),
        (["meta.pt", *MODEL], 2, "cannot be loaded"),
        (["ok.pt", "--model", "spk_nets"], 2, "expects package.module:name"),
        (["ok.pt", "--model", "spk_none:make"], 2, "there is no module 'spk_none'"),
        (["ok.pt", "--model", "spk_broken:make"], 2, "raised ModuleNotFoundError: No module named 'spk_nowhere'"),
        (["ok.pt", "--model", "spk_nets:mke"], 2, "did you mean 'make'?"),
        (["ok.pt", "--model", "spk_nets:raises"], 2, "raised Silent: no message"),
        (["ok.pt", "--model", "spk_nets:number"], 2, "returned int, not a torch.nn.Module"),
        (["ok.pt", *MODEL, "--model-args", '{"size": 3}'], 2, "unexpected keyword argument 'size'"),
        (["ok.pt", *MODEL, "--model-args", "[3]"], 2, "expects a JSON object"),
        (["ok.pt", *MODEL, "--model-args", "{"], 2, "invalid JSON"),
        (["ok.pt", "--model-args", "{}"], 2, "--model-args needs --model"),
        (["ok.pt", *MODEL, "--data", "none.npz"], 2, "none.npz: no such file"),
        (["ok.pt", *MODEL, "--data", "text.npz"], 2, "--data text.npz:"),
        (["ok.pt", *MODEL, "--data", "objects.npz"], 2, "allow_pickle"),
        (["ok.pt", *MODEL, "--data", "line.npz"], 2, "a batch needs two axes or more"),
        (["ok.pt", *MODEL, "--data", "events.h5"], 2, "it holds events"),
        (["ok.pt", *MODEL, "--data", "table.csv"], 2, "a .npz, .pt"),
        (["ok.pt", *MODEL, "--data", "spk_nets:empty"], 2, "expected a loader or a batch of tensors"),
        (["ok.pt", "--data", "batch.npz"], 2, "--data needs --model"),
    ],
    ids=lambda value: " ".join(value).replace("/", "") if isinstance(value, list) else "",
)
def test_what_is_found_and_what_cannot_be_asked(
    args: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", *args]) == code
    output = capsys.readouterr()
    assert words in " ".join((output.out + output.err).split())
    assert "Traceback" not in output.err


@pytest.mark.usefixtures("here")
def test_the_users_model_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A factory may hand out the one model of its module."""
    monkeypatch.syspath_prepend(str(folder))
    import spk_nets  # type: ignore[import-not-found]

    torch.manual_seed(1)
    one = spk_nets.make().eval()
    monkeypatch.setattr(spk_nets, "make", lambda: one)
    before = {name: value.clone() for name, value in one.state_dict().items()}
    state = torch.get_rng_state()
    assert main(["diagnose", "ok.pt", *MODEL, "--data", "batch.npz"]) == 0
    assert all(torch.equal(before[name], value) for name, value in one.state_dict().items())
    assert all(parameter.grad is None for parameter in one.parameters())
    assert not one.training
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks for module in one.modules())


@pytest.mark.parametrize(
    "named",
    [
        "spk_canary:make",
        pytest.param("os:system", marks=pytest.mark.full),
        "spikecheck.reference.model:build.__globals__",
        pytest.param("spikecheck.reference.train:RECIPE", marks=pytest.mark.full),
        pytest.param("spikecheck.cli:main", marks=pytest.mark.full),
        "spikecheck.reference.model:build\n",
    ],
)
def test_a_factory_that_a_file_names_is_not_imported(named: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "spk_canary.py").write_text(f"open({str(canary)!r}, 'w').close()\n", encoding="utf-8")
    content = {"model": {"a": torch.rand(3)}, "factory": named, "arguments": {"command": f"touch {canary}"}}
    torch.save(content, tmp_path / "ck.pt")
    output = diagnose(tmp_path, "ck.pt")
    assert output.returncode == 0, output.stderr
    assert not canary.exists()
    assert "which is not imported" in " ".join(output.stdout.split())
    assert diagnose(tmp_path, "ck.pt", "--model", "spk_canary:make").returncode == 2
    assert canary.exists(), "the canary sings when it is asked to"


@pytest.mark.parametrize(
    ("factory", "arguments"),
    [
        ("spikecheck.reference.model:build", {"hidden": 10**9}),
        ("spikecheck.reference.model:build", {"faults": []}),
        ("spikecheck.reference.train:build_with", {"faults": ["../../evil"]}),
        ("spikecheck.reference.train:build_with", {"faults": "lr-hot"}),
        ("spikecheck.reference.train:build_with", {"faults": ["lr-hot"] * 10_000}),
        ("spikecheck.reference.train:build_with", {"faults": [torch.zeros(3)]}),
    ],
    ids=["huge", "unknown", "no fault", "text", "many", "tensor"],
)
def test_our_own_factories_are_made_with_what_train_writes_alone(
    factory: str, arguments: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"model": {"a": torch.rand(3)}, "factory": factory, "arguments": arguments}
    torch.save(content, tmp_path / "ck.pt")
    assert main(["diagnose", str(tmp_path / "ck.pt")]) == 0
    assert "the model was not run: the file names" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("fault", "cause"), [("", ""), ("double-softmax", "SPK305"), ("threshold-high", "SPK205")])
def test_the_reference_loops_checkpoint_needs_no_argument(fault: str, cause: str, tmp_path: Path) -> None:
    """Without evidence, the factory that it names is run on the reference set, with its own loss."""
    pytest.importorskip("snntorch")
    from spikecheck.faults import inject
    from spikecheck.reference.frames import examples
    from spikecheck.reference.shd import open_digits
    from spikecheck.reference.train import RECIPE, Plan, Run

    words = examples(open_digits(None, train=False), RECIPE.frames)
    few = type(words)(words.frames[:64], words.labels[:64])
    broken = (fault,) if fault else ()
    run = Run(Plan(epochs=1, faults=broken), inject(RECIPE, broken), few, few)
    list(run.epochs())
    run.save(tmp_path / "ck.pt")
    output = diagnose(tmp_path, "ck.pt", "--json", "-")
    answers = checks(output)
    assert [check for check in ("SPK305", "SPK205") if answers[check] == "found"] == [cause] * bool(cause)
    assert output.returncode == int(bool(cause)), output.stdout
    assert answers["SPK509"] == "passed"
    assert "test samples of the reference data set" in output.stdout
