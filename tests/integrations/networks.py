"""A small network and data that every library trains in its own style."""

from __future__ import annotations

from typing import Protocol

import torch
from snntorch import Leaky
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from spikecheck.monitor import Monitor
from spikecheck.report.model import Report

STEPS, CHANNELS, CLASSES, HIDDEN, SAMPLES, BATCH = 8, 16, 4, 24, 128, 16
UPDATES = SAMPLES // BATCH  # of one epoch


class Net(nn.Module):
    """Logits [batch, class] of spikes [batch, time, channel]; with a high threshold it is silent."""

    def __init__(self, threshold: float = 1.0) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(CHANNELS, HIDDEN), Leaky(beta=0.9, threshold=threshold)
        self.head = nn.Linear(HIDDEN, CLASSES)
        with torch.no_grad():
            self.fc1.weight.mul_(3)

    def forward(self, x: Tensor) -> Tensor:
        mem, total = self.lif1.init_leaky(), torch.zeros((), device=x.device)
        for step in range(x.shape[1]):
            spikes, mem = self.lif1(self.fc1(x[:, step]), mem)
            total = total + self.head(spikes.to(x.dtype))  # of float32 in any precision
        return total / x.shape[1]


def seeded_net(threshold: float = 1.0) -> Net:
    torch.manual_seed(0)
    return Net(threshold)


def data() -> tuple[Tensor, Tensor]:
    """Return spikes and classes: each class has channels of its own that spike more often."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(CLASSES, (SAMPLES,), generator=generator)
    own = torch.arange(CHANNELS) // (CHANNELS // CLASSES) == y[:, None]
    rate = torch.where(own, 0.5, 0.08)
    return (torch.rand(SAMPLES, STEPS, CHANNELS, generator=generator) < rate[:, None, :]).float(), y


def loader() -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(*data()), BATCH, shuffle=True, generator=torch.Generator().manual_seed(1))


def loss_of(net: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    x, y = batch
    return F.cross_entropy(net(x), y)


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


class Watching(Protocol):
    """A callback or a handler."""

    @property
    def monitor(self) -> Monitor | None: ...


def report_of(watching: Watching) -> Report:
    assert watching.monitor is not None
    return watching.monitor.report()
