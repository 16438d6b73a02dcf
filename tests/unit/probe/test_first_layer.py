"""Currents of the first layer are compared with each other, as the checks of the axes need them; later ones are not."""

from __future__ import annotations

import snntorch
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.readings import DriveReading


class Network(nn.Module):
    """Two spiking layers; the later one is registered first."""

    def __init__(self) -> None:
        super().__init__()
        self.second, self.first = snntorch.Leaky(beta=0.9), snntorch.Leaky(beta=0.9)
        self.fc1, self.fc2 = nn.Linear(6, 5), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the spikes."""
        mem1, mem2, total = self.first.init_leaky(), self.second.init_leaky(), torch.zeros(x.shape[1], 4)
        for frame in x:
            spikes, mem1 = self.first(self.fc1(frame * 6), mem1)
            spikes, mem2 = self.second(self.fc2(spikes), mem2)
            total = total + spikes
        return total


def test_only_the_currents_of_the_first_layer_are_compared() -> None:
    torch.manual_seed(0)
    model = Network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with spikecheck.attach(model, every=1, ignore=["SPK"]) as monitor:
        for _ in range(4):
            optimizer.zero_grad()
            model(torch.rand(10, 4, 6)).sum().backward()
            optimizer.step()
    drives = {name: read.get(DriveReading) for name, read in monitor.evidence().observations.windows["all"].items()}
    assert drives["first"].step_correlation is not None
    assert drives["second"].step_correlation is None
    assert drives["first"].forward_passes == drives["second"].forward_passes == 4
