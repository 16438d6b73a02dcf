"""sinabs networks: `LIF` or `IAF` after each linear layer, each called once per sequence."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import sinabs.activation as sa
import sinabs.layers as sl
import torch
from torch import Tensor, nn

from ..melodies import CHANNELS, CLASSES

GAIN = 2.0  # factor on torch's default weights
TAU = 8.0


def lif(**options: Any) -> nn.Module:
    """Return `sinabs.layers.LIF` with unscaled input and at most one spike per step."""
    made: nn.Module = sl.LIF(**{"tau_mem": TAU, "norm_input": False, "spike_fn": sa.SingleSpike, **options})
    return made


def leak() -> nn.Module:
    """Return a leaky readout without spikes."""
    made: nn.Module = sl.ExpLeak(tau_mem=TAU, norm_input=False)
    return made


class SinabsNet(nn.Module):
    """Linear layers, each followed by neurons; logits are the mean of the last layer over time."""

    def __init__(
        self,
        sizes: Sequence[int] = (CHANNELS, 100, CLASSES),
        neuron: Callable[[int], nn.Module] = lambda layer: lif(),
        last: Callable[[], nn.Module] = leak,
        read: Callable[[Tensor], Tensor] = lambda out: out.mean(1),
        gain: float = GAIN,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(itertools.pairwise(sizes)):
            linear = nn.Linear(a, b)
            with torch.no_grad():
                linear.weight.mul_(gain)
            layers += [linear, neuron(i) if i < len(sizes) - 2 else last()]
        self.layers, self.read = nn.Sequential(*layers), read

    def forward(self, x: Tensor) -> Tensor:
        """Return `read` applied to [batch, step, class]; x is [batch, step, channel]."""
        for layer in self.layers:
            if isinstance(layer, sl.StatefulLayer):
                layer.reset_states()
        return self.read(self.layers(x))
