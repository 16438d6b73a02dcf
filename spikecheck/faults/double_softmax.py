"""Softmax is applied before nn.CrossEntropyLoss, which applies it again.

The loss receives logits in [0, 1]: with 20 classes the loss cannot fall below ln(1 + 19 / e) = 2.08.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .base import Fault, Recipe


def inject(recipe: Recipe) -> Recipe:
    """Pass probabilities to the loss."""

    def loss_of_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
        return recipe.loss(logits.softmax(dim=-1), labels)

    return replace(recipe, loss=loss_of_probabilities)


FAULT = Fault("double-softmax", causes=("SPK305",), inject=inject)
