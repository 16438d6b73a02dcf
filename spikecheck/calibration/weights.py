"""Which parameter sets the scale of a layer's input current, and what is changed in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikecheck.calibration.forward import LayerPass
from spikecheck.errors import SpikecheckError

NORMALIZATIONS: tuple[type[nn.Module], ...] = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


@dataclass(frozen=True)
class InputWeights:
    """The parameters that a layer's input current is proportional to: weights, and the biases beside them.

    Of several, such as those of a batch normalization for each time step, all are scaled alike.
    """

    names: tuple[str, ...]
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...] = ()

    @property
    def name(self) -> str:
        """The name of the first weight."""
        return self.names[0]

    @torch.no_grad()
    def zero_biases(self) -> None:
        """Set the biases to 0: what is constant is no fluctuation."""
        for bias in self.biases:
            bias.zero_()

    @torch.no_grad()
    def change(self, scale: float, shift: float = 0.0) -> None:
        """Scale the current, then take a constant off it."""
        for weight in self.weights:
            weight.mul_(scale)
        for bias in self.biases:
            bias.mul_(scale).sub_(shift)


def input_weights(
    layer: LayerPass, modules: Mapping[str, nn.Module], order: Mapping[str, int], fed_by: Mapping[str, str]
) -> InputWeights:
    """Return the parameters that set the scale of a layer's current.

    They are the weight that a library's layer makes its current with; else those of the last normalization between the
    layer and the weighted module that makes its current, since a normalization takes off whatever scale that module
    has; else those of that module.

    Raises:
        SpikecheckError: there are none.
    """
    if layer.input_weight and layer.module is not None:
        return InputWeights((f"{layer.name}.{layer.input_weight}",), (getattr(layer.module, layer.input_weight),))
    source = layer.site.fed_by
    if source is not None and (parameter := own_parameter(source, modules)) is not None:
        return InputWeights((source,), (parameter,))
    if source is None or source not in modules:
        raise SpikecheckError(
            f"no module with a weight comes before {layer.name}: pass layer= with the layers that have one, or put "
            "nn.Linear before it"
        )
    names = normalizations_between(source, layer, modules, order, fed_by) or [source]
    parts = [modules[name] for name in names]
    weights = tuple(weight for part in parts if isinstance(weight := part.weight, Tensor))
    if not weights:
        raise SpikecheckError(
            f"{names[0]} has no weight to scale the current of {layer.name}: create it with affine=True"
        )
    biases = tuple(bias for part in parts if isinstance(bias := getattr(part, "bias", None), Tensor))
    return InputWeights(tuple(f"{name}.weight" for name in names), weights, biases)


def own_parameter(name: str, modules: Mapping[str, nn.Module]) -> nn.Parameter | None:
    """Return the parameter of this name, where a module holds it itself; None where it is the name of a module."""
    owner, _, leaf = name.rpartition(".")
    parameter = getattr(modules.get(owner), leaf, None)
    return parameter if isinstance(parameter, nn.Parameter) else None


def normalizations_between(
    source: str,
    layer: LayerPass,
    modules: Mapping[str, nn.Module],
    order: Mapping[str, int],
    fed_by: Mapping[str, str],
) -> list[str]:
    """Return the last normalization between a module and a layer; all of a list with one for each time step."""
    between = [
        name
        for name, module in modules.items()
        if isinstance(module, NORMALIZATIONS) and fed_by.get(name) == source
        if order[source] < order.get(name, 0) < layer.site.position
    ]
    if not between:
        return []
    last = max(between, key=lambda name: order[name])
    holder = last.rpartition(".")[0]
    if not isinstance(modules.get(holder), nn.ModuleList):
        return [last]
    return [
        name for name, module in modules.items() if name.rpartition(".")[0] == holder and fed_by.get(name) == source
    ]


def recurrent_weight(layer: LayerPass) -> Tensor | None:
    """Return the weight inside a layer that leads from its spikes to its current; None where there is not just one."""
    if layer.module is None or layer.spikes.dim() != 3:
        return None
    neurons = layer.spikes.shape[-1]
    square = [
        parameter
        for name, parameter in layer.module.named_parameters()
        if tuple(parameter.shape) == (neurons, neurons) and name != layer.input_weight
    ]
    return square[0] if len(square) == 1 else None
