"""The threshold is 0.3, and neurons emit floor(potential / threshold) spikes a step, as sinabs' default does.

Neurons that emit 0 or 1 learn well at this threshold. These hear each other's counts, and the counts grow in every
step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from .base import Fault, Recipe
from .layers import changed, exchange, spiking


class FloorSpikes(torch.autograd.Function):
    """floor(potential / threshold), with sinabs' `SingleExponential` as the gradient (width 0.5, scale 1)."""

    @staticmethod
    def forward(ctx: Any, potential: Tensor, threshold: Tensor) -> Tensor:
        """Count how many thresholds fit into each potential; never negative."""
        ctx.save_for_backward(potential, threshold)
        return (potential / threshold).floor().clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        """Pass the gradient where the potential is near the threshold."""
        potential, threshold = ctx.saved_tensors
        return grad_outputs[0] * torch.exp(-(potential - threshold).abs() / (0.5 * threshold)), None


class MultiSpikeLeaky(nn.Module):
    """A leaky neuron that spikes as often in one step as its potential allows; called as `snntorch.Leaky` is."""

    beta: Tensor
    threshold: Tensor

    def __init__(self, beta: Tensor, threshold: Tensor) -> None:
        super().__init__()
        self.register_buffer("beta", beta)
        self.register_buffer("threshold", threshold)

    def reset_mem(self) -> Tensor:
        """Give the potential before the first step: empty, because the batch is not known yet."""
        return self.beta.new_zeros(0)

    def forward(self, current: Tensor, potential: Tensor) -> tuple[Tensor, Tensor]:
        """Take one time step; current, potential and both results are [batch, neuron]."""
        before = potential if potential.shape == current.shape else torch.zeros_like(current)
        charged = self.beta * before + current
        spikes: Tensor = FloorSpikes.apply(charged, self.threshold)  # type: ignore[no-untyped-call]
        return spikes, charged - spikes * self.threshold


THRESHOLD = 0.3  # at 0.5 the recurrent counts still die out; at 0.1 they grow to inf, and the first loss is NaN


def _swap(model: nn.Module) -> None:
    for layer in list(spiking(model)):
        exchange(model, layer, MultiSpikeLeaky(layer.beta, layer.threshold * THRESHOLD))


def inject(recipe: Recipe) -> Recipe:
    """Exchange every spiking layer for one that counts."""
    return replace(recipe, build=changed(recipe.build, _swap))


FAULT = Fault("multi-spike", causes=("SPK201",), inject=inject)
