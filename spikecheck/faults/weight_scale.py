"""Weights are drawn from N(0, 1) by nn.init.normal_, without scaling by the number of inputs."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from .base import Fault, Recipe
from .layers import wrap_build


def _draw_weights(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)


def inject(recipe: Recipe) -> Recipe:
    """Draw the weights of every linear layer from N(0, 1)."""
    return replace(recipe, build=wrap_build(recipe.build, _draw_weights))


FAULT = Fault("weight-scale", causes=("SPK406",), inject=inject)
