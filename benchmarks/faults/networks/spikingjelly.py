"""spikingjelly networks: multi-step layers, [step, batch, neuron] inside."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from spikingjelly.activation_based import functional, layer, neuron, surrogate
from torch import Tensor, nn

from ..melodies import CHANNELS, CLASSES

GAIN = 3.0  # factor on torch's default weights


def lif(**options: Any) -> nn.Module:
    """Return `LIFNode` with reset by subtraction and unscaled input."""
    defaults = {"tau": 5.0, "decay_input": False, "v_reset": None, "surrogate_function": surrogate.ATan(alpha=2.0)}
    made: nn.Module = neuron.LIFNode(**{**defaults, **options})
    return made


class JellyNet(nn.Module):
    """Linear layers, each followed by neurons; logits are 20 times the mean rate of the last layer.

    Attributes:
        between: modules between a linear layer and its neuron, by layer; also before the first one at -1.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (CHANNELS, 100, CLASSES),
        node: Callable[[int], nn.Module] = lambda i: lif(),
        last: Callable[[], nn.Module | None] = lif,
        read: Callable[[Tensor], Tensor] = lambda out: out.mean(0) * 20,
        between: Callable[[int, int], Sequence[nn.Module]] = lambda i, size: (),
        gain: float = GAIN,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(itertools.pairwise(sizes)):
            linear = layer.Linear(a, b)
            with torch.no_grad():
                linear.weight.mul_(gain)
            final = i == len(sizes) - 2
            node_here = last() if final else node(i)
            inside = () if final else between(i, b)
            layers += [linear, *inside, *([] if node_here is None else [node_here])]
        self.layers, self.read = nn.Sequential(*layers), read
        functional.set_step_mode(self.layers, "m")

    def forward(self, x: Tensor) -> Tensor:
        """Return `read` applied to [step, batch, class]; x is [batch, step, channel]."""
        functional.reset_net(self.layers)
        return self.read(self.layers(x.transpose(0, 1)))
