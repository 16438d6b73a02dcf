"""The membrane potential is kept from one batch to the next: detached, so that nothing raises."""

from __future__ import annotations

from dataclasses import replace

import snntorch as snn
from torch import Tensor, nn

from .base import Fault, Recipe
from .layers import changed, exchange, leaky


class DetachedLeaky(snn.Leaky):  # type: ignore[misc]
    """A layer whose author silenced "backward through the graph a second time" by detach, where a reset was due."""

    def reset_mem(self) -> Tensor:
        """Cut the graph and keep the values [batch, neuron]; a batch of another size starts at zero."""
        self.mem: Tensor = self.mem.detach()
        return self.mem


def _swap(model: nn.Module) -> None:
    for layer in list(leaky(model)):
        kept = DetachedLeaky(
            beta=layer.beta,
            threshold=layer.threshold,
            spike_grad=layer.spike_grad,
            reset_mechanism=layer.reset_mechanism,
        )
        exchange(model, layer, kept)


def inject(recipe: Recipe) -> Recipe:
    """Exchange every layer with a potential for one that never starts afresh."""
    return replace(recipe, build=changed(recipe.build, _swap))


FAULT = Fault("state-carry", causes=("SPK208",), inject=inject)
