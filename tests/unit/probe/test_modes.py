"""What is read of the modes of modules, and of running statistics that nothing updates."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

import spikecheck
from tests.promises.networks import LIF


class Normalization(nn.BatchNorm1d):
    """A subclass of the user's, as for values that have a time axis."""


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm, self.lif = nn.Linear(10, 12), Normalization(12), LIF(threshold=0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.lif(self.norm(self.fc(x).flatten(0, 1)).unflatten(0, x.shape[:2])).mean(0)
        return y


def test_a_subclass_of_batch_norm_in_evaluation_mode_is_one_and_has_statistics_of_its_own() -> None:
    torch.manual_seed(0)
    model = Net().eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        for _ in range(12):
            optimizer.zero_grad()
            F.cross_entropy(model((torch.rand(6, 8, 10) < 0.4).float()), torch.randint(3, (8,))).backward()
            optimizer.step()
        report = monitor.report()
    assert "SPK214" in {finding.check for finding in report.findings}, report
