"""Networks for the examples of checks that are more than a line of layers."""

from __future__ import annotations

import copy
from typing import Any

import snntorch
import torch
from torch import nn

Scope = dict[str, Any]


class Cameras(nn.Module):
    """A network for [time, batch, camera, height, width]."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(2 * 64, 20), snntorch.Leaky(beta=0.9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mem, out = self.lif.init_leaky(), []
        for x_t in x:
            _, mem = self.lif(self.fc(x_t.flatten(1)), mem)
            out.append(mem)
        return torch.stack(out).mean(0)


class Normed(nn.Module):
    """A model whose time step is the example."""

    def __init__(self, names: Scope, step: str) -> None:
        super().__init__()
        self.norm, self.lif, self.readout, self.step = names["norm"], snntorch.Leaky(beta=0.9), nn.Linear(128, 20), step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        names = {"torch": torch, "copy": copy, "model": self, "norm": self.norm, "lif": self.lif}
        names["membrane"], out = self.lif.init_leaky(), []
        for names["x"] in x:
            exec(self.step, names)
            out.append(self.readout(names["spikes"]))
        return torch.stack(out).mean(0)


class Steps(nn.Sequential):
    """Layers that are called once per time step; every second one is a neuron that keeps its state."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self[1::2]:
            part.reset_mem()
        return torch.stack([super(Steps, self).forward(x_t) for x_t in x.unbind(1)]).mean(0)
