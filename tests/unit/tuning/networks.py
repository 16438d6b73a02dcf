"""A small network that learns with thresholds from about 0.5 to 1.5, and its batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEPS, INPUTS = 10, 16


class Spike(torch.autograd.Function):
    """A step with the derivative of a fast sigmoid."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).float()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient / (1 + 5 * x.abs()) ** 2


class LIF(nn.Module):
    """Leaky neurons with a threshold and a decay: [batch, time, neuron]."""

    def __init__(self, threshold: float, beta: float = 0.9) -> None:
        super().__init__()
        self.threshold, self.beta = threshold, beta

    def forward(self, current: Tensor) -> Tensor:
        v, spikes = torch.zeros_like(current[:, 0]), []
        for step in current.unbind(1):
            v = self.beta * v + step
            s = Spike.apply(v - self.threshold)
            v = v - s * self.threshold
            spikes.append(s)
        return torch.stack(spikes, 1)


class Net(nn.Module):
    def __init__(self, threshold: float = 1.0, hidden: int = 24) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(INPUTS, hidden), LIF(threshold)
        self.fc2, self.lif2 = nn.Linear(hidden, 2), LIF(threshold)

    def forward(self, x: Tensor) -> Tensor:
        return self.lif2(self.fc2(self.lif1(self.fc1(x)))).sum(1)


class Double(LIF):
    """Neurons that emit two spikes at once."""

    def forward(self, current: Tensor) -> Tensor:
        return 2 * super().forward(current)


class Sick(Net):
    """A network that no threshold repairs."""

    def __init__(self, threshold: float = 1.0) -> None:
        super().__init__(threshold)
        self.lif1 = Double(threshold)


def build(threshold: float) -> Net:
    return Net(threshold)


def batches(count: int = 4) -> list[tuple[Tensor, Tensor]]:
    """Two classes that differ in the half of the inputs that is active."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(count):
        labels = torch.arange(16) % 2
        rates = torch.where((torch.arange(INPUTS) < INPUTS // 2) == labels[:, None].bool(), 0.7, 0.05)
        spikes = torch.rand(16, STEPS, INPUTS, generator=generator) < rates[:, None, :]
        made.append((spikes.float(), labels))
    return made


def optimizer(parameters) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.005)


SEARCH = {"low": 0.01, "high": 100.0, "updates": 8, "counts": (0, 9), "optimizer": optimizer}
