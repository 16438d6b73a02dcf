"""Modules that torch.jit compiled take no hooks: what is around them is watched all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.errors import SpikecheckError
from spikecheck.script_run.discovery import Discovery
from spikecheck.script_run.result import own_error
from spikecheck.script_run.runner import run_script
from tests.promises.networks import LIF

STEPS, BATCH, INPUTS, WIDTH = 6, 8, 10, 12
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


def mixing() -> nn.Module:
    """Return a part that is compiled where its class is written, as in language models with a receptance."""

    class Mixing(torch.jit.ScriptModule):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(INPUTS, WIDTH)

        @torch.jit.script_method
        def forward(self, x: Tensor) -> Tensor:
            return self.fc(x)  # type: ignore[no-any-return]

    return Mixing()


class Net(nn.Module):
    """Neurons behind a part of such a class, and behind one that was compiled as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.lif1 = mixing(), LIF(threshold=0.3)
        self.fc, self.lif2 = torch.jit.script(nn.Linear(WIDTH, WIDTH)), LIF(threshold=0.3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.lif2(self.fc(self.lif1(self.mix(x)))).mean(0)
        return y


def test_the_layers_around_compiled_parts_are_watched() -> None:
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, on_finding=lambda _: None, every=1) as monitor:
        for _ in range(4):
            x, y = (torch.rand(STEPS, BATCH, INPUTS) < 0.4).float(), torch.randint(3, (BATCH,))
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        report = monitor.report()
    assert "SPK001" not in {finding.check for finding in report.findings}
    assert [(row.name, row.spikes.time_steps // 4) for row in report.layers] == [("lif1", STEPS), ("lif2", STEPS)]


def test_a_compiled_model_is_refused_with_what_to_do() -> None:
    with pytest.raises(SpikecheckError, match=r"attach to the model before torch\.jit\.script"):
        spikecheck.attach(torch.jit.script(nn.Linear(INPUTS, WIDTH)))


def test_a_compiled_part_cannot_be_named_as_a_layer() -> None:
    with pytest.raises(SpikecheckError, match=r"spikes= names a module that torch\.jit compiled .* spikecheck\.tap"):
        spikecheck.attach(Net(), spikes=["mix"])


SCRIPTED = """
import torch
from torch import nn

net = torch.jit.script(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(5):
    optimizer.zero_grad()
    net(torch.rand(3, 4)).sum().backward()
    optimizer.step()
"""


def test_a_model_that_torch_jit_compiled_is_named_once_and_no_error_of_ours(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPTED, encoding="utf-8")
    with Discovery() as discovery:
        assert run_script(str(script), [], as_module=False) == 0
    assert discovery.reports() == []
    (error,) = discovery.errors
    assert own_error(error).startswith("spikecheck: net (RecursiveScriptModule) was not watched: torch.jit compiled it")
