"""snnTorch networks: `Leaky` or another of its neurons after each linear layer, called once per step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import snntorch as snn
import torch
from snntorch import surrogate
from torch import Tensor, nn

from ..melodies import CHANNELS, CLASSES

GAIN = 3.0  # factor on torch's default weights
BETA = 0.88


def leaky(**options: Any) -> nn.Module:
    """Return `snntorch.Leaky` with the benchmark's surrogate gradient."""
    made: nn.Module = snn.Leaky(**{"beta": BETA, "spike_grad": surrogate.fast_sigmoid(slope=8), **options})
    return made


class SnntorchNet(nn.Module):
    """Linear layers, each followed by neurons; the last has no reset and is read out by its mean potential.

    Attributes:
        between: a module per layer, applied to the current of its neurons.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (CHANNELS, 100, CLASSES),
        neuron: Callable[[int], nn.Module] = lambda layer: leaky(),
        last: Callable[[], nn.Module] = lambda: leaky(reset_mechanism="none"),
        read: Callable[[Tensor, Tensor], Tensor] = lambda spikes, potential: potential.mean(0),
        between: Callable[[int, int], nn.Module] = lambda layer, size: nn.Identity(),
    ) -> None:
        super().__init__()
        hidden = len(sizes) - 2
        self.fc = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.between = nn.ModuleList(between(i, size) for i, size in enumerate(sizes[1:-1]))
        self.lif = nn.ModuleList([*(neuron(i) for i in range(hidden)), last()])
        self.read = read
        with torch.no_grad():
            for linear in list(self.fc)[:-1]:
                linear.weight.mul_(GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Return `read` applied to the last spikes and potentials [step, batch, class]; x is [batch, step, channel]."""
        states: list[Any] = [start(lif) for lif in self.lif]
        spikes, potentials = [], []
        for step in range(x.shape[1]):
            signal = x[:, step]
            for i, lif in enumerate(self.lif):
                current = self.fc[i](signal)
                if i < len(self.between):
                    current = self.between[i](current)
                signal, *states[i] = lif(current, *states[i])
            spikes.append(signal)
            potentials.append(states[-1][-1])
        return self.read(torch.stack(spikes), torch.stack(potentials))


def start(lif: nn.Module) -> list[Tensor]:
    """Return the initial state as a list, for any kind of neuron."""
    state = lif.reset_mem() if hasattr(lif, "reset_mem") else lif.init_leaky()  # type: ignore[operator]
    return list(state) if isinstance(state, tuple) else [state]
