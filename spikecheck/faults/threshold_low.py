"""The threshold is 0.01, a hundredth of what the weights assume: every neuron fires often."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from .base import Fault, Recipe
from .layers import spiking, wrap_build

THRESHOLD = 0.01  # the initialization assumes 1


def _set(model: nn.Module) -> None:
    for layer in spiking(model):
        layer.threshold.fill_(THRESHOLD)


def inject(recipe: Recipe) -> Recipe:
    """Set the threshold of every spiking layer."""
    return replace(recipe, build=wrap_build(recipe.build, _set))


FAULT = Fault("threshold-low", causes=("SPK206",), inject=inject)
