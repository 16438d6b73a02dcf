"""Weights are drawn from N(0, 1) by nn.init.normal_, not scaled with the number of inputs."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from .base import Fault, Recipe
from .layers import changed


def _draw(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)


def inject(recipe: Recipe) -> Recipe:
    """Draw the weights of every linear layer again."""
    return replace(recipe, build=changed(recipe.build, _draw))


FAULT = Fault("weight-scale", causes=("SPK406",), inject=inject)
