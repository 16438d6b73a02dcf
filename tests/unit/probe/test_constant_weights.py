"""Weights that a model keeps as plain tensors, told from states, masks, buffers and tables."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from tests.promises.networks import Spike

CHANNELS, NEURONS, BATCH, STEPS = 10, 16, 8, 5


class Recurrent(nn.Module):
    """A recurrent layer whose second weight is what `held` says."""

    def __init__(self, held: str) -> None:
        super().__init__()
        self.fc, self.readout = nn.Linear(CHANNELS, NEURONS), nn.Linear(NEURONS, 4)
        self.table = torch.randn(NEURONS, NEURONS)  # beside the network: nothing is multiplied by it
        weight = torch.randn(NEURONS, NEURONS)
        if held == "a buffer":
            self.register_buffer("w_rec", weight)
        elif held == "a parameter":
            self.w_rec = nn.Parameter(weight)
        else:
            self.w_rec = (weight > 0).float() if held == "a mask" else weight
        self.linear = held == "a tensor for linear"

    def forward(self, x: Tensor) -> Tensor:
        v = spikes = x.new_zeros(len(x), NEURONS)
        for step in range(x.shape[1]):
            back = F.linear(spikes, self.w_rec) if self.linear else spikes @ self.w_rec
            v = 0.9 * v + self.fc(x[:, step]) + back
            spikes = Spike.apply(v - 1.0)  # type: ignore[no-untyped-call]
            self.state = v.detach()  # of the shape of a weight, and another tensor in each step
        return self.readout(spikes)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("held", "names"),
    [
        ("a tensor", ("w_rec",)),
        ("a tensor for linear", ("w_rec",)),
        ("a parameter", ()),
        ("a buffer", ()),
        ("a mask", ()),
    ],
)
def test_plain_tensors_that_weigh_are_named(held, names) -> None:
    torch.manual_seed(0)
    net = Recurrent(held)
    monitor = spikecheck.attach(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(net(torch.rand(BATCH, STEPS, CHANNELS)), torch.randint(4, (BATCH,))).backward()
        optimizer.step()
    assert monitor.evidence().observations.run.constant_weights == names
