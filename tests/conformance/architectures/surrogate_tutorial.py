"""Feed-forward current-based LIF, recurrent hidden layer, surrogate of an exponential shape: functions over time.

After Neftci, Mostafa and Zenke, Surrogate Gradient Learning in Spiking Neural Networks, IEEE Signal Processing Magazine
36 (2019), equations 4 to 7: I[n+1] = a I[n] + W S[n] + V S_rec[n], U[n+1] = b U[n] + I[n] - S[n], and a readout that
leaks and never spikes, whose maximum over time is the logit. The surrogate is that of Shrestha and Orchard (SLAYER,
NeurIPS 2018): exp(-|u - threshold| / width) / width. There is no module for a neuron, so the spikes are tapped.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import spikecheck
from tests.conformance.architectures import Step


class Exponential(Step):
    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        return grad * torch.exp(-u.abs() / 0.5)


def hidden(x: Tensor, w: Tensor, v: Tensor, a: float = 0.8, b: float = 0.9) -> Tensor:
    """Spikes of the hidden layer, [time, batch, neuron]."""
    current = potential = spikes = x.new_zeros(x.shape[1], w.shape[1])
    shown = []
    for step in torch.einsum("tbi,ih->tbh", x, w):
        potential = b * potential + current - spikes.detach()
        spikes = Exponential.apply(potential - 1)
        spikecheck.tap("hidden", spikes, current=current, potential=potential)
        current = a * current + step + spikes @ v
        shown.append(spikes)
    return torch.stack(shown)


def readout(spikes: Tensor, w: Tensor, a: float = 0.8, b: float = 0.9) -> Tensor:
    """Potentials of units that leak and do not spike; the largest over time."""
    current = potential = spikes.new_zeros(spikes.shape[1], w.shape[1])
    shown = []
    for step in torch.einsum("tbh,hc->tbc", spikes, w):
        potential = b * potential + current
        current = a * current + step
        shown.append(potential)
    return torch.stack(shown).amax(0)


class Network(nn.Module):
    def __init__(self, inputs: int = 30, neurons: int = 40, classes: int = 5) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(inputs, neurons) * 2.5 * inputs**-0.5)
        self.v1 = nn.Parameter(torch.randn(neurons, neurons) * 0.3 * neurons**-0.5)
        self.w2 = nn.Parameter(torch.randn(neurons, classes) * 0.2 * neurons**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return readout(hidden(x, self.w1, self.v1), self.w2)


def example() -> Tensor:
    return (torch.rand(20, 8, 30) < 0.2).float()


LAYERS = {"hidden": (20, 8)}  # name to the time steps and samples of one forward
