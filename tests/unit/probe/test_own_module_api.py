"""Modules whose methods of torch return something else, as those of rockpool do: a dict instead of an iterator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from tests.promises.networks import Spike


class OwnApi(nn.Module):
    def parameters(self, recurse: bool = True) -> Any:
        return dict(self.named_parameters(recurse=recurse))

    def modules(self) -> Any:
        return dict(self.named_modules())


class Layer(OwnApi):
    def __init__(self) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(0.1))

    def forward(self, x: Tensor) -> Any:
        return Spike.apply(x - self.threshold)  # type: ignore[no-untyped-call]


class Model(OwnApi):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif, self.out = nn.Linear(6, 8), Layer(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        return self.out(self.lif(self.fc(x)))


def test_such_modules_are_watched() -> None:
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.SGD([parameter for _, parameter in model.named_parameters()], lr=0.1)
    with spikecheck.attach(model, every=1, on_finding=lambda _: None) as monitor:
        for grad in (True, False, True):
            with torch.set_grad_enabled(grad):
                loss = F.cross_entropy(model(torch.rand(4, 6)), torch.arange(4) % 3)
            if grad:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        for weight in (parameter for _, parameter in model.fc.named_parameters()):
            weight.requires_grad_(False)
        model(torch.rand(4, 6))
        report = monitor.report()
    assert not [finding.message for finding in report.findings if finding.check == "SPK001"]
    assert [row.name for row in report.layers] == ["lif"]
