"""The examples of the checkpoint checks: the broken one is found, the repaired and the fixed one are not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from spikecheck.checkpoint import diagnose_file
from spikecheck.checkpoint.fit import fit
from spikecheck.checks.base import Check
from spikecheck.checks.discovery import own_checks
from spikecheck.settings import Settings
from spikecheck.stored import FitReading
from tests.house.test_checks import FENCE
from tests.unit.checks.build import findings, observe

snn = pytest.importorskip("snntorch", reason="pip install snntorch")
surrogate = pytest.importorskip("snntorch.surrogate")
CHECKS = [check for check in own_checks().values() if check.id.startswith("SPK5")]


class Net(nn.Module):
    """The network that the examples call `model`."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(700, 64), nn.Linear(64, 20)
        self.lif1, self.lif2 = snn.Leaky(beta=0.9), snn.Leaky(beta=0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.lif1.init_leaky(), self.lif2.init_leaky()
        for _ in range(10):
            spikes, first = self.lif1(self.fc1(x), first)
            _, second = self.lif2(self.fc2(spikes), second)
        return second


def names(check: type[Check]) -> dict[str, Any]:
    """What the examples leave out because every script has it."""
    torch.manual_seed(0)
    model = Net()
    x, y = (torch.rand(8, 700) < 0.5).float(), torch.arange(8)
    if check.id == "SPK501":
        model.fc2.bias.data[19] = 1e4  # a logit so far above the others that their probabilities are exactly 0
    if check.id == "SPK503":
        x.zero_()  # no gradient against the weight decay

    def train(model: Net, optimizer: torch.optim.Optimizer, updates: int) -> None:
        for _ in range(updates):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    optimizer = torch.optim.Adam(model.parameters())
    modules = {"F": F, "math": math, "nn": nn, "prune": prune, "snn": snn, "surrogate": surrogate, "torch": torch}
    return {**modules, "model": model, "optimizer": optimizer, "train": train, "x": x, "y": y}


@pytest.mark.parametrize("which", ["broken", "repaired"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_the_broken_example_is_found_and_the_repaired_one_is_not(
    check: type[Check], which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = (text for _, label, text in FENCE.findall(check.sections()["Example"]) if label == which)
    scope = names(check)
    exec(code, scope)
    if FitReading in check.needs:
        content = torch.load("last.pt")
        file, model = ({k: tuple(v.shape) for k, v in part.items()} for part in (content, scope["model"].state_dict()))
        ids = {one.check for one in findings(check(), observe({"the model": [fit(file, model).reading]}), "the model")}
    else:
        ids = {finding.check for finding in diagnose_file("last.pt", settings=Settings()).findings}
    assert (check.id in ids) is (which == "broken")


@pytest.mark.parametrize(
    ("id_", "layer"), [("SPK502", "fc1"), ("SPK504", "lif2"), ("SPK505", "lif1"), ("SPK506", "fc1")]
)
def test_the_fix_of_the_page_and_that_of_the_finding_repair_the_broken_example(
    id_: str, layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check = own_checks()[id_]
    code = next(text for _, label, text in FENCE.findall(check.sections()["Example"]) if label == "broken")
    for fix in (check.fix_by_library()["any"], None):
        scope = names(check)
        exec(code, scope)
        (finding,) = (one for one in diagnose_file("last.pt", settings=Settings()).findings if one.check == id_)
        exec(fix or finding.fix, scope | {"layer": getattr(scope["model"], layer)})
        torch.save(scope["model"].state_dict(), "last.pt")
        assert id_ not in {one.check for one in diagnose_file("last.pt", settings=Settings()).findings}
