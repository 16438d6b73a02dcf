"""The membrane potential is carried from one batch to the next, detached so that nothing raises."""

from __future__ import annotations

from dataclasses import replace

import snntorch as snn
from torch import Tensor, nn

from .base import Fault, Recipe
from .layers import leaky, replace_layer, wrap_build


class DetachedLeaky(snn.Leaky):  # type: ignore[misc]
    """A layer that detaches its potential instead of resetting it."""

    def reset_mem(self) -> Tensor:
        """Detach the potential and keep its values [batch, neuron]; a batch of a different size starts at zero."""
        self.mem: Tensor = self.mem.detach()
        return self.mem


def _swap(model: nn.Module) -> None:
    for layer in list(leaky(model)):
        replacement = DetachedLeaky(
            beta=layer.beta,
            threshold=layer.threshold,
            spike_grad=layer.spike_grad,
            reset_mechanism=layer.reset_mechanism,
        )
        replace_layer(model, layer, replacement)


def inject(recipe: Recipe) -> Recipe:
    """Replace every leaky layer with one that never resets its state."""
    return replace(recipe, build=wrap_build(recipe.build, _swap))


FAULT = Fault("state-carry", causes=("SPK208",), inject=inject)
