"""Convolutional network with batch norm before each neuron layer, time and batch folded into one axis for both.

After Zheng et al., Going Deeper With Directly-Trained Larger Spiking Neural Networks, AAAI 2021 (threshold-dependent
batch norm: normalize over time, batch and space at once, to the threshold), with the readout of Wu et al. 2018.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.conformance.architectures import Step


class Rectangle(Step):
    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        return grad * (u.abs() < 0.5)


class LIF(nn.Module):
    """[time, batch, channel, height, width]; a spike resets the potential to 0."""

    def __init__(self, decay: float = 0.25, threshold: float = 0.5) -> None:
        super().__init__()
        self.decay, self.threshold = decay, threshold

    def forward(self, current: Tensor) -> Tensor:
        u, shown = torch.zeros_like(current[0]), []
        for step in current:
            u = self.decay * u + step
            spikes = Rectangle.apply(u - self.threshold)
            u = u * (1 - spikes)
            shown.append(spikes)
        return torch.stack(shown)


class Normed(nn.Module):
    """Convolution and batch norm on [time * batch, ...], then neurons on [time, batch, ...]."""

    def __init__(self, inputs: int, channels: int, stride: int = 1, threshold: float = 0.5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn, self.lif = nn.BatchNorm2d(channels), LIF(threshold=threshold)
        nn.init.constant_(self.bn.weight, threshold)

    def current(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x.flatten(0, 1))).unflatten(0, x.shape[:2])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.lif(self.current(x))
        return y


class Network(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.one, self.two = Normed(2, 8), Normed(8, 8, stride=2)
        self.pool, self.readout = nn.AvgPool2d(2), nn.Linear(8 * 2 * 2, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.two(self.one(x))
        y: Tensor = self.readout(self.pool(x.flatten(0, 1)).flatten(1)).unflatten(0, x.shape[:2]).mean(0)
        return y


def example() -> Tensor:
    return (torch.rand(6, 4, 2, 8, 8) < 0.2).float()


LAYERS = {"one.lif": (6, 4), "two.lif": (6, 4)}
