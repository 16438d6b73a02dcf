"""Each time step is divided by its number of spikes: a silent step is 0 / 0, and its current NaN.

The potential becomes NaN, `NaN > threshold` is false, so the neuron falls silent and the loss stays finite: about
ln 20 for ever. The gradient of its weights is NaN too, and the optimizer writes it.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from .base import Fault, Recipe
from .layers import changed, exchange


class NormalisedLinear(nn.Linear):
    """A linear layer that sees the share which each input has of the step's spikes."""

    def forward(self, spikes: Tensor) -> Tensor:
        """Weigh [..., input], divided by its sum, to currents [..., neuron]; NaN where the sum is 0."""
        return super().forward(spikes / spikes.sum(dim=-1, keepdim=True))


def _normalise(model: nn.Module) -> None:
    first = next(module for module in model.modules() if isinstance(module, nn.Linear))
    new = NormalisedLinear(first.in_features, first.out_features, bias=first.bias is not None)
    new.load_state_dict(first.state_dict())
    exchange(model, first, new)


def inject(recipe: Recipe) -> Recipe:
    """Normalise the input of the first linear layer, without a thought for silence."""
    return replace(recipe, build=changed(recipe.build, _normalise))


FAULT = Fault("nan-current", causes=("SPK405",), inject=inject)
