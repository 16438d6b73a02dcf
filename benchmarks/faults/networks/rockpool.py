"""Rockpool networks: `LIFTorch` after each linear layer, called once per sequence [batch, step, neuron]."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from rockpool.nn.modules import LIFTorch
from rockpool.parameters import Constant
from torch import Tensor, nn

from ..melodies import CHANNELS, CLASSES

GAIN = 3.0  # factor on torch's default weights
DT = 1e-3


def lif(size: int, learned: Sequence[str] = (), **options: Any) -> nn.Module:
    """Return `LIFTorch` with short time constants and one spike per step; only parameters in `learned` are trained."""
    defaults = {"tau_mem": 8e-3, "tau_syn": 4e-3, "bias": 0.0, "threshold": 1.0}
    values = {name: value if name in learned else Constant(value) for name, value in {**defaults, **options}.items()}
    made: nn.Module = LIFTorch(size, **values, max_spikes_per_dt=1, dt=DT)
    return made


class RockpoolNet(nn.Module):
    """Linear layers, each followed by neurons; logits are the mean potential of the last layer."""

    def __init__(
        self,
        sizes: Sequence[int] = (CHANNELS, 100, CLASSES),
        neuron: Callable[[int, int], nn.Module] = lambda i, size: lif(size),
        reset: bool = True,
    ) -> None:
        super().__init__()
        self.fc = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.lif = nn.ModuleList(neuron(i, size) for i, size in enumerate(sizes[1:-1]))
        self.reset = reset
        with torch.no_grad():
            for linear in list(self.fc)[:-1]:
                linear.weight.mul_(GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        for fc, neuron in zip(self.fc, self.lif, strict=False):
            if self.reset:
                neuron.reset_state()
            x, _, _ = neuron(fc(x))
        return self.fc[-1](x).mean(1) * 10
