"""The layers of a snnTorch model that the faults change, found whatever the model calls them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import snntorch as snn
from torch import nn


def leaky(model: nn.Module) -> Iterator[snn.Leaky]:
    """Give every `snntorch.Leaky` of a model, a readout that never resets included."""
    return (module for module in model.modules() if isinstance(module, snn.Leaky))


def spiking(model: nn.Module) -> Iterator[snn.Leaky]:
    """Give every `snntorch.Leaky` whose spikes matter: one that never resets is read out by its potential."""
    return (layer for layer in leaky(model) if layer.reset_mechanism != "none")


def exchange(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a new layer where an old one was, under the same name."""
    for parent in model.modules():
        for name, child in parent.named_children():
            if child is old:
                setattr(parent, name, new)


def changed(build: Callable[[], nn.Module], change: Callable[[nn.Module], None]) -> Callable[[], nn.Module]:
    """Make a `build` whose model has been changed in place."""

    def build_changed() -> nn.Module:
        model = build()
        change(model)
        return model

    return build_changed
