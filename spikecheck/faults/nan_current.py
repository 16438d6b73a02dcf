"""The input is divided by its number of spikes in each time step: without spikes 0 / 0 gives a NaN current.

The potential becomes NaN. `NaN > threshold` is false, so the neuron is silent and the loss stays finite, at about
ln 20. The gradient of the neuron's weights is NaN too, and the optimizer writes it into the weights.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from .base import Fault, Recipe
from .layers import replace_layer, wrap_build


class NormalizedLinear(nn.Linear):
    """A linear layer whose input is divided by the number of spikes of the time step."""

    def forward(self, spikes: Tensor) -> Tensor:
        """Map [..., input], divided by its sum, to currents [..., neuron]; NaN if the sum is 0."""
        return super().forward(spikes / spikes.sum(dim=-1, keepdim=True))


def _normalize(model: nn.Module) -> None:
    first = next(module for module in model.modules() if isinstance(module, nn.Linear))
    new = NormalizedLinear(first.in_features, first.out_features, bias=first.bias is not None)
    new.load_state_dict(first.state_dict())
    replace_layer(model, first, new)


def inject(recipe: Recipe) -> Recipe:
    """Normalize the input of the first linear layer without handling silent time steps."""
    return replace(recipe, build=wrap_build(recipe.build, _normalize))


FAULT = Fault("nan-current", causes=("SPK405",), inject=inject)
