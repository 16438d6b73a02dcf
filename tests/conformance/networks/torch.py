"""No library: neurons written by hand, as a module for a step, for a whole sequence, or with no module at all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import spikecheck
from tests.conformance.table import Kind, whole


class Spike(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(v: Tensor) -> Tensor:
        return (v > 0).to(v.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)  # what torch.func asks for; the libraries' surrogates save in `forward`

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        return grad / (1 + 5 * v.abs()) ** 2


class Step(nn.Module):
    """One step; the script hands on the potential."""

    def __init__(self) -> None:
        super().__init__()
        self.beta, self.threshold = 0.9, 1.0

    def forward(self, current: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        v = self.beta * v + current
        spikes = Spike.apply(v - self.threshold)
        return spikes, v - self.threshold * spikes.detach()


class Sequence(nn.Module):
    """The whole loop over time."""

    def __init__(self, axis: int = 0) -> None:
        super().__init__()
        self.beta, self.threshold, self.axis = 0.9, 1.0, axis

    def forward(self, current: Tensor) -> Tensor:
        steps = current.unbind(self.axis)
        v, shown = torch.zeros_like(steps[0]), []
        for step in steps:
            v = self.beta * v + step
            spikes = Spike.apply(v - self.threshold)
            v = v - self.threshold * spikes.detach()
            shown.append(spikes)
        return torch.stack(shown, self.axis)


class Tapped(nn.Module):
    """Holds nothing but a name: the spikes are made by functions, and shown by `spikecheck.tap`."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n


def handed_on(layer: nn.Module, current: Tensor) -> Tensor:
    v, shown = torch.zeros_like(current[0]), []
    for step in current:
        spikes, v = layer(step, v)
        shown.append(spikes)
    return torch.stack(shown)


def batch_first(layer: nn.Module, current: Tensor) -> Tensor:
    return layer(current.movedim(0, 1)).movedim(1, 0)


def tapped(layer: nn.Module, current: Tensor) -> Tensor:
    name = "lif2" if layer.n == 4 else "lif1"
    v, shown = torch.zeros_like(current[0]), []
    for step in current:
        v = 0.9 * v + step
        spikes = Spike.apply(v - 1.0)
        v = v - spikes.detach()
        shown.append(spikecheck.tap(name, spikes, current=step, potential=v))
    return torch.stack(shown)


KINDS = [
    Kind("torch", "module, a step", lambda n: Step(), handed_on, "step", potential=False, main=True),
    Kind("torch", "module, a sequence", lambda n: Sequence(), whole, "sequence", potential=False),
    Kind("torch", "module, batch first", lambda n: Sequence(1), batch_first, "sequence", potential=False),
    Kind("torch", "functions, tapped", Tapped, tapped, "step", compiles=False),
]
