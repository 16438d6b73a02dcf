"""norse networks: `LIF` on whole sequences [step, batch, neuron], with an `LI` as readout."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import norse.torch as norse
import torch
from torch import Tensor, nn

from ..melodies import CHANNELS, CLASSES

GAIN, LOGITS = 8.0, 20.0  # norse scales a current by dt * tau_mem_inv twice: 0.1 and 0.2 by default


def parameters(**options: float) -> Any:
    """Return `LIFParameters` with these time constants (1/s) and this threshold."""
    return norse.LIFParameters(**{name: torch.as_tensor(value) for name, value in options.items()})


class NorseNet(nn.Module):
    """Linear layers with `LIF` between them; logits are the mean potential of an `LI`."""

    def __init__(
        self,
        sizes: Sequence[int] = (CHANNELS, 100, CLASSES),
        lif: Callable[[int], nn.Module] = lambda layer: norse.LIF(),
        read: Callable[[Tensor], Tensor] = lambda out: out.mean(0) * LOGITS,
        gain: float = GAIN,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(itertools.pairwise(sizes)):
            linear = nn.Linear(a, b)
            hidden = i < len(sizes) - 2
            if hidden:
                with torch.no_grad():
                    linear.weight.mul_(gain)
            layers += [linear, lif(i) if hidden else norse.LI()]
        self.layers, self.read = norse.SequentialState(*layers), read

    def forward(self, x: Tensor) -> Tensor:
        """Return `read` applied to [step, batch, class]; x is [batch, step, channel]."""
        return self.read(self.layers(x.transpose(0, 1))[0])
