"""The code on the pages of the checks runs, on objects as a script has them.

That an example is found, and that a fix heals, show the tests beside this one, for as many as a few updates can.
"""

from __future__ import annotations

import warnings
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.checks.discovery import own_checks
from tests.faults import example_pictures
from tests.faults.test_fixes_heal import layer_of
from tests.faults.test_loss_and_gradient_examples import REPORTS
from tests.house.test_checks import FENCE
from tests.house.tree import ROOT

pytest.importorskip("snntorch", reason="pip install snntorch")
pytest.importorskip("tonic", reason="pip install tonic")
import snntorch
import tonic

BATCH, STEPS, CHANNELS, CLASSES = 8, 12, 128, 20
FIXES = [
    pytest.param(id_, library, code, id=f"{id_}-{library}")
    for id_, check in own_checks().items()
    for library, code in check.fix_by_library().items()
]
EXAMPLES = [  # the others are run, and found, by the tests beside this one
    pytest.param(id_, code, id=f"{id_}-{label}")
    for id_, check in own_checks().items()
    for _, label, code in FENCE.findall(check.sections().get("Example", ""))
    if not id_.startswith(("SPK1", "SPK2", "SPK5")) and id_ not in REPORTS
]
NorseState = namedtuple("NorseState", "v i")
#: Objects that a check's code finds in another form than most.
OTHER_FORMS: dict[str, dict[str, Any]] = {
    "SPK104": {"x": torch.rand(BATCH, CHANNELS)},
    "SPK112": dict.fromkeys(("train_images", "test_images"), torch.randint(0, 256, (BATCH, CHANNELS))),
    "SPK210": {"spikes": torch.rand(BATCH, CHANNELS)},
    "SPK218": {"state": NorseState(torch.rand(BATCH, CHANNELS), torch.rand(BATCH, CHANNELS))},
    "SPK221": {"spike": torch.sigmoid, "v": torch.rand(BATCH, CHANNELS), "v_th": 1.0},
    "SPK222": {"recurrent_weight": torch.rand(CHANNELS, CHANNELS)},
    "SPK226": {"spike": torch.sigmoid, "spikes": 0.0, "v": torch.rand(BATCH, CHANNELS), "decay": 0.25},
    "SPK306": {"x": torch.rand(BATCH, 700), "y": torch.arange(BATCH) + 1},
    "SPK310": {"spikes": list(torch.rand(STEPS, BATCH, CLASSES))},
    "SPK324": {"decay": 0.8},
    "SPK405": {"target": torch.arange(BATCH)},
    "SPK421": {"self": SimpleNamespace(weight=torch.rand(CHANNELS, CHANNELS))},
    "SPK504": {"layer": snntorch.Leaky(beta=0.9)},
    "SPK505": {"layer": snntorch.Leaky(beta=0.9)},
    "SPK608": {"potential": torch.rand(STEPS, BATCH, CLASSES)},
}
NEEDS_FILES = "tonic.datasets."  # of a data set from elsewhere


class Data(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Samples [time, channel], and the sensor size that tonic's data sets have."""

    sensor_size = (CHANNELS, 1, 1)

    def __len__(self) -> int:
        return BATCH

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index >= BATCH:
            raise IndexError(index)  # how a loop over a data set ends
        return torch.rand(STEPS, CHANNELS), index % CLASSES


class Layer(nn.Module):
    """A hand-written neuron: one time step per call, with its state passed in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(CHANNELS, CHANNELS))
        self.threshold, self.beta, self.mem = 1.0, 0.9, torch.zeros(CHANNELS)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        state = x if state is None else 0.9 * state + x
        return (state > self.threshold).float(), state


class Model(nn.Module):
    """A readout [batch, class] of x [batch, time, channel], and a layer of a library beside it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.fc, self.lif, self.layers = nn.Linear(CHANNELS, CLASSES), layer, [nn.Linear(2, 2)]
        self.norm, self.dropout = nn.BatchNorm1d(CHANNELS), nn.Dropout(0.5)

    def reset(self) -> None:
        """Do what a library's reset does; sinabs has `reset_states`."""

    reset_states = reset

    def forward(self, x: Tensor, *state: Any) -> Any:
        output = self.fc(x.flatten(0, -2)).view(*x.shape[:-1], CLASSES)
        output = output.mean(1) if output.dim() == 3 else output
        return (output, state) if state else output


def library_layer(library: str) -> Any:
    """Return a layer of a library; one written by hand for code that names none."""
    return layer_of(library) if library not in ("any", "handwritten") else Layer()


def script(layer: Any) -> dict[str, Any]:
    """Return what the code leaves out because every script has it."""
    torch.manual_seed(0)
    model, linear = Model(layer), nn.Linear(CHANNELS, CHANNELS)
    optimizer = torch.optim.Adam([*model.parameters(), *linear.parameters()], lr=1e-3)
    x, y = torch.rand(BATCH, STEPS, CHANNELS), torch.arange(BATCH) % CLASSES
    logits = model(x)
    potential = (torch.rand(BATCH, CHANNELS) - 0.5).requires_grad_()
    spikes = (torch.rand(STEPS, BATCH, CLASSES * 5) < 0.2).float()
    loader = torch.utils.data.DataLoader(Data(), batch_size=4)
    numbers = {"dt": 0.001, "tau": 0.02, "steps": STEPS, "channels": CHANNELS, "classes": CLASSES, "epochs": 1}
    return {
        **numbers,
        **{name: linear for name in ("fc1", "fc2", "linear", "fc")},
        "F": F,
        "LIF": lambda **_: lambda current: (current > 0.5).float(),
        "batch": x,
        "batch_size": BATCH,
        "counts": spikes.sum(0),
        "criterion": F.cross_entropy,
        "current": potential.detach() if not isinstance(layer, snntorch.Leaky) else x[:, 0],
        "dataset": Data(),
        "distance": potential.detach(),
        "encoder": SimpleNamespace(reset=lambda: None),
        "hidden_spikes": spikes,
        "labels": y,
        "labels_a": y,
        "labels_b": y + 1,
        "layer": layer,
        "lif": snntorch.Leaky(beta=0.9),
        "lif1": lambda current: (current > 0.5).float(),
        "loader": loader,
        "logits": logits,
        "loss": F.cross_entropy(logits, y),
        "loss_fn": F.cross_entropy,
        "mem": potential,
        "model": model,
        "nn": nn,
        "norm": nn.BatchNorm1d(CHANNELS),
        "np": np,
        "optimizer": optimizer,
        "output": torch.rand(BATCH, 1),
        "output_gradient": torch.rand(BATCH, CHANNELS),
        "potential": potential,
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1),
        "self": model,
        "slope": 10.0,
        "snn": snntorch,
        "snntorch": snntorch,
        "spikecheck": spikecheck,
        "spikes": spikes,
        "state": potential,
        "step": torch.randint(0, STEPS, (50,)).numpy(),
        "surrogate_spike": torch.sigmoid,
        "target": torch.rand(BATCH),
        "targets": y,
        "task_loss": F.cross_entropy(logits, y),
        "threshold": 1.0,
        "times": torch.rand(50).sort().values,
        "tonic": tonic,
        "torch": torch,
        "train": lambda model: None,
        "train_targets": torch.rand(BATCH),
        "train_step": lambda x, y: optimizer.step(),
        "unit": torch.randint(0, CHANNELS, (50,)).numpy(),
        "values": torch.rand(BATCH),
        "x": x,
        "x_a": x,
        "x_b": x,
        "y": y,
        "y_train": y,
    }


def run(code: str, names: dict[str, Any]) -> None:
    """Run code as a script does that ignores warnings, and detach what it attached."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(code, "page", "exec"), names)
        finally:
            if "monitor" in names:
                names["monitor"].detach()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a checkpoint, last.pt."""
    monkeypatch.chdir(tmp_path)
    torch.save(Model(Layer()).state_dict(), "last.pt")


@pytest.mark.parametrize(("id_", "library", "code"), FIXES)
def test_the_code_of_a_fix_runs(id_: str, library: str, code: str) -> None:
    run(code, script(library_layer(library)) | OTHER_FORMS.get(id_, {}))


@pytest.mark.parametrize(("id_", "code"), EXAMPLES)
def test_the_code_of_an_example_runs(id_: str, code: str) -> None:
    if NEEDS_FILES in code:
        pytest.skip("needs a data set from elsewhere")
    run(code, script(Layer()) | OTHER_FORMS.get(id_, {}))


def test_a_page_shows_the_pictures_that_are_drawn() -> None:
    drawn = {f"{id_}.png" for id_ in (*example_pictures.INPUTS, *example_pictures.LAYERS)}
    files = {path.name: path for path in example_pictures.FOLDER.iterdir()}
    assert files.keys() == drawn
    assert sum(path.stat().st_size for path in files.values()) < 1_000_000
    for name in drawn:
        assert f"(images/{name})" in (ROOT / "docs/checks" / name).with_suffix(".md").read_text(encoding="utf-8")
