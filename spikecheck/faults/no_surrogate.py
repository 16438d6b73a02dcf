"""Hidden spikes come from a bare comparison, which has no gradient: only the last layer learns."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from .base import Fault, Recipe
from .layers import changed, spiking


def heaviside(distance: Tensor) -> Tensor:
    """Spike where the potential is above the threshold; autograd sees a constant."""
    return (distance > 0).float()


def _bare(model: nn.Module) -> None:
    for layer in spiking(model):
        layer.spike_grad = heaviside


def inject(recipe: Recipe) -> Recipe:
    """Take the surrogate gradient away from every spiking layer."""
    return replace(recipe, build=changed(recipe.build, _bare))


FAULT = Fault("no-surrogate", causes=("SPK401",), inject=inject)
