"""Find and replace the layers of a snnTorch model, whatever their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import snntorch as snn
from torch import nn


def leaky(model: nn.Module) -> Iterator[snn.Leaky]:
    """Yield every `snntorch.Leaky` of a model, including a readout without reset."""
    return (module for module in model.modules() if isinstance(module, snn.Leaky))


def spiking(model: nn.Module) -> Iterator[snn.Leaky]:
    """Yield every `snntorch.Leaky` with a reset; one without reset is a readout by potential."""
    return (layer for layer in leaky(model) if layer.reset_mechanism != "none")


def replace_layer(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Replace a layer of the model, under the same name."""
    for parent in model.modules():
        for name, child in parent.named_children():
            if child is old:
                setattr(parent, name, new)


def wrap_build(build: Callable[[], nn.Module], change: Callable[[nn.Module], None]) -> Callable[[], nn.Module]:
    """Wrap `build` so that `change` is applied to the model."""

    def build_changed() -> nn.Module:
        model = build()
        change(model)
        return model

    return build_changed
