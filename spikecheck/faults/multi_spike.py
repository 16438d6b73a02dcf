"""Neurons emit floor(potential / threshold) spikes per time step, as sinabs does by default; the threshold is 0.3.

Neurons that emit 0 or 1 learn well at this threshold. With several spikes per step, the recurrent connections feed the
counts back, and the counts grow in every step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from .base import Fault, Recipe
from .layers import replace_layer, spiking, wrap_build


class FloorSpikes(torch.autograd.Function):
    """floor(potential / threshold) with sinabs' `SingleExponential` as surrogate gradient (width 0.5, scale 1)."""

    @staticmethod
    def forward(ctx: Any, potential: Tensor, threshold: Tensor) -> Tensor:
        """Return floor(potential / threshold), at least 0."""
        ctx.save_for_backward(potential, threshold)
        return (potential / threshold).floor().clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        """Multiply the gradient by the surrogate, which decays with the distance from the threshold."""
        potential, threshold = ctx.saved_tensors
        return grad_outputs[0] * torch.exp(-(potential - threshold).abs() / (0.5 * threshold)), None


class MultiSpikeLeaky(nn.Module):
    """A leaky neuron with several spikes per time step; called like `snntorch.Leaky`."""

    beta: Tensor
    threshold: Tensor

    def __init__(self, beta: Tensor, threshold: Tensor) -> None:
        super().__init__()
        self.register_buffer("beta", beta)
        self.register_buffer("threshold", threshold)

    def reset_mem(self) -> Tensor:
        """Return the initial potential: empty, because the batch size is not known yet."""
        return self.beta.new_zeros(0)

    def forward(self, current: Tensor, potential: Tensor) -> tuple[Tensor, Tensor]:
        """Run one time step; current, potential and both results are [batch, neuron]."""
        before = potential if potential.shape == current.shape else torch.zeros_like(current)
        charged = self.beta * before + current
        spikes: Tensor = FloorSpikes.apply(charged, self.threshold)  # type: ignore[no-untyped-call]
        return spikes, charged - spikes * self.threshold


THRESHOLD = 0.3  # at 0.5 the recurrent counts die out; at 0.1 they grow to inf, and the first loss is NaN


def _swap(model: nn.Module) -> None:
    for layer in list(spiking(model)):
        replace_layer(model, layer, MultiSpikeLeaky(layer.beta, layer.threshold * THRESHOLD))


def inject(recipe: Recipe) -> Recipe:
    """Replace every spiking layer with one that emits counts."""
    return replace(recipe, build=wrap_build(recipe.build, _swap))


FAULT = Fault("multi-spike", causes=("SPK201",), inject=inject)
