"""Spiking ResNet whose shortcuts join spikes.

After Fang et al., Deep Residual Learning in Spiking Neural Networks, NeurIPS 2021: a block is x + SN(BN(conv(...))),
the addition g of the paper, so that a block whose last neurons are silent is the identity; its output counts to 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.conformance.architectures.convolutional import Normed


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one, self.two = Normed(channels, channels), Normed(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(self.one(x))


class Network(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem, self.blocks = Normed(2, 8), nn.Sequential(Block(8), Block(8))
        self.readout = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        y: Tensor = self.readout(x.mean((0, 3, 4)))
        return y


def example() -> Tensor:
    return (torch.rand(6, 4, 2, 8, 8) < 0.2).float()


LAYERS = {name: (6, 4) for name in ["stem.lif", *(f"blocks.{b}.{n}.lif" for b in (0, 1) for n in ("one", "two"))]}
