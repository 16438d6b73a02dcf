"""Network whose synapses learn their delays.

After Hammouamri, Khalfaoui-Hassani and Masquelier, Learning Delays in Spiking Neural Networks using Dilated
Convolutions with Learnable Spacings, ICLR 2024: each synapse is a convolution over time with one kernel element, a
Gaussian around the learned delay; leaky neurons with a hard reset, after batch norm. Tensors are [batch, time, ...].
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ATan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u >= 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        return grad * 2.5 / (1 + (torch.pi / 2 * 5 * u) ** 2)


class Delayed(nn.Module):
    """A weight and a delay for every synapse."""

    def __init__(self, inputs: int, outputs: int, longest: int = 6, width: float = 0.8) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * inputs**-0.5)
        self.delay = nn.Parameter(torch.rand(outputs, inputs) * longest)
        self.longest, self.width = longest, width

    def forward(self, x: Tensor) -> Tensor:
        at = torch.arange(self.longest + 1.0)
        kernel = torch.exp(-(((at - self.delay.unsqueeze(-1)) / self.width) ** 2) / 2)
        kernel = self.weight.unsqueeze(-1) * kernel / (kernel.sum(-1, keepdim=True) + 1e-7)
        return F.conv1d(F.pad(x.mT, (self.longest, 0)), kernel.flip(-1)).mT


class LIF(nn.Module):
    """[batch, time, neuron]."""

    def __init__(self, tau: float = 2.0, threshold: float = 1.0) -> None:
        super().__init__()
        self.tau, self.threshold = tau, threshold

    def forward(self, current: Tensor) -> Tensor:
        u, shown = torch.zeros_like(current[:, 0]), []
        for step in current.unbind(1):
            u = u + (step - u) / self.tau
            spikes = ATan.apply(u - self.threshold)
            u = u * (1 - spikes.detach())
            shown.append(spikes)
        return torch.stack(shown, dim=1)


class Network(nn.Module):
    def __init__(self, inputs: int = 30, neurons: int = 40, classes: int = 5) -> None:
        super().__init__()
        self.delays1, self.bn1, self.lif1 = Delayed(inputs, neurons), nn.BatchNorm1d(neurons), LIF(threshold=0.5)
        self.delays2, self.bn2, self.lif2 = Delayed(neurons, neurons), nn.BatchNorm1d(neurons), LIF(threshold=0.5)
        self.readout = Delayed(neurons, classes)

    def forward(self, x: Tensor) -> Tensor:
        for delays, bn, lif in ((self.delays1, self.bn1, self.lif1), (self.delays2, self.bn2, self.lif2)):
            x = lif(bn(delays(x).mT).mT)
        y: Tensor = self.readout(x).softmax(-1).sum(1)
        return y


def example() -> Tensor:
    return (torch.rand(8, 20, 30) < 0.2).float()


LAYERS = {"lif1": (20, 8), "lif2": (20, 8)}
