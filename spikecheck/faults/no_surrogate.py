"""Hidden spikes come from a plain comparison, which has no gradient: only the last layer learns."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from .base import Fault, Recipe
from .layers import spiking, wrap_build


def heaviside(distance: Tensor) -> Tensor:
    """Spike where the potential is above the threshold; the result has no gradient."""
    return (distance > 0).float()


def _remove_surrogate(model: nn.Module) -> None:
    for layer in spiking(model):
        layer.spike_grad = heaviside


def inject(recipe: Recipe) -> Recipe:
    """Remove the surrogate gradient of every spiking layer."""
    return replace(recipe, build=wrap_build(recipe.build, _remove_surrogate))


FAULT = Fault("no-surrogate", causes=("SPK401",), inject=inject)
