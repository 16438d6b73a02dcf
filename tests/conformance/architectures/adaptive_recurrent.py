"""Recurrent network of adaptive leaky neurons.

After Bellec et al., Long short-term memory and learning-to-learn in networks of spiking neurons, NeurIPS 2018, with the
learned time constants of Yin, Corradi and Bohté, Nature Machine Intelligence 3 (2021): the threshold is b0 +
beta * eta, and eta decays by rho and grows with each spike. One cell, called once per step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.conformance.architectures import Step


class Gaussian(Step):
    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        return grad * torch.exp(-(u**2) / (2 * 0.5**2)) / 1.2533


class Adaptive(nn.Module):
    """(spikes, potential, adaptation) of one step, from the current and those of the step before."""

    def __init__(self, neurons: int, b0: float = 0.5, beta: float = 0.3) -> None:
        super().__init__()
        self.b0, self.beta_adapt = b0, beta
        self.tau_mem = nn.Parameter(torch.full((neurons,), 10.0))
        self.tau_adapt = nn.Parameter(torch.full((neurons,), 30.0))

    def forward(self, current: Tensor, state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        spikes, u, eta = state
        alpha, rho = torch.exp(-1 / self.tau_mem), torch.exp(-1 / self.tau_adapt)
        eta = rho * eta + (1 - rho) * spikes
        threshold = self.b0 + self.beta_adapt * eta
        u = alpha * u + (1 - alpha) * current - threshold * spikes
        return Gaussian.apply(u - threshold), u, eta


class Network(nn.Module):
    def __init__(self, inputs: int = 30, neurons: int = 40, classes: int = 5) -> None:
        super().__init__()
        self.fc, self.rec = nn.Linear(inputs, neurons), nn.Linear(neurons, neurons, bias=False)
        self.cell, self.readout = Adaptive(neurons), nn.Linear(neurons, classes)
        with torch.no_grad():
            self.fc.weight.mul_(12)

    def forward(self, x: Tensor) -> Tensor:
        state = tuple(x.new_zeros(x.shape[1], self.rec.in_features) for _ in range(3))
        u = x.new_zeros(x.shape[1], self.readout.out_features)
        for step in x:
            state = self.cell(self.fc(step) + self.rec(state[0]), state)
            u = 0.9 * u + 0.1 * self.readout(state[0])
        return u


def example() -> Tensor:
    return (torch.rand(20, 8, 30) < 0.3).float()


LAYERS = {"cell": (20, 8)}
