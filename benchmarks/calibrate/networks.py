"""The same deep network in each library, with the neurons as the library makes them, and its initializers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import spikecheck
from benchmarks.faults.melodies import CHANNELS, CLASSES
from benchmarks.faults.networks.hand import Cell, integrated

WIDTH = 100


@dataclass(frozen=True)
class Library:
    """How a library's neurons are made, and run on a current [step, batch, neuron]."""

    name: str
    neuron: Callable[[int], nn.Module]
    run: Callable[[Any, Tensor], Tensor]


def passed_on(layer: Any, current: Tensor) -> Tensor:
    """Run a layer that is called once per step and hands its state to the script."""
    state, shown = layer.init_leaky() if hasattr(layer, "init_leaky") else None, []
    for step in current:
        spikes, state = layer(step, state)
        shown.append(spikes)
    return torch.stack(shown)


def hand() -> Library:
    """Neurons written by hand, with a decay of 0.9."""

    def run(layer: Any, current: Tensor) -> Tensor:
        state, shown = (torch.zeros_like(current[0]), torch.zeros_like(current[0])), []
        for step in current:
            spikes, state = layer(step, state)
            shown.append(spikes)
        return torch.stack(shown)

    return Library("written by hand", lambda size: Cell(decay=0.9), run)


def snntorch() -> Library:
    """`Leaky` with its default surrogate gradient."""
    import snntorch as snn

    return Library("snntorch", lambda size: snn.Leaky(beta=0.9), passed_on)


def spikingjelly() -> Library:
    """`LIFNode`, whose default divides the input by tau = 2."""
    from spikingjelly.activation_based import functional, neuron

    def run(layer: Any, current: Tensor) -> Tensor:
        functional.reset_net(layer)
        out: Tensor = layer(current)
        return out

    return Library("spikingjelly", lambda size: neuron.LIFNode(step_mode="m"), run)


def norse() -> Library:
    """`LIF`, whose default multiplies the input by 0.1."""
    import norse.torch as nt

    return Library("norse", lambda size: nt.LIF(), lambda layer, current: layer(current)[0])


def sinabs() -> Library:
    """`LIF`, whose default multiplies the input by 1 - decay."""
    import sinabs.layers as sl

    def run(layer: Any, current: Tensor) -> Tensor:
        layer.reset_states()
        out: Tensor = layer(current.movedim(0, 1)).movedim(1, 0)
        return out

    return Library("sinabs", lambda size: sl.LIF(tau_mem=10.0), run)


def rockpool() -> Library:
    """`LIFTorch` with its default time constants of 20 ms, at 1 ms per step."""
    from rockpool.nn.modules import LIFTorch

    def run(layer: Any, current: Tensor) -> Tensor:
        layer.reset_state()
        out: Tensor = layer(current.movedim(0, 1))[0].movedim(1, 0)
        return out

    return Library("rockpool", lambda size: LIFTorch(size, dt=1e-3), run)


LIBRARIES = {make.__name__: make for make in (hand, snntorch, spikingjelly, norse, sinabs, rockpool)}


class Deep(nn.Module):
    """So many spiking layers of 100 neurons, and a readout of leaky integrators; x is [batch, step, channel]."""

    def __init__(self, library: Library, layers: int) -> None:
        super().__init__()
        sizes = (CHANNELS, *(WIDTH,) * layers)
        self.fc = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.lif = nn.ModuleList(library.neuron(size) for size in sizes[1:])
        self.read, self.run = nn.Linear(WIDTH, CLASSES), library.run

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        signal = x.movedim(1, 0)
        for fc, lif in zip(self.fc, self.lif, strict=True):
            signal = self.run(lif, fc(signal))
        return integrated(self.read(signal)).mean(0)


def default(model: nn.Module, batch: Tensor) -> None:
    """The weights of `nn.Linear`."""


def he_normal(model: nn.Module, batch: Tensor) -> None:
    """He initialization: N(0, 2 / fan-in), biases of 0."""
    initialized(model, lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"))


def xavier_uniform(model: nn.Module, batch: Tensor) -> None:
    """Glorot initialization, biases of 0."""
    initialized(model, nn.init.xavier_uniform_)


def orthogonal(model: nn.Module, batch: Tensor) -> None:
    """Orthogonal weights with a gain of sqrt(2), biases of 0."""
    initialized(model, lambda weight: nn.init.orthogonal_(weight, 2**0.5))


def calibrated(model: nn.Module, batch: Tensor) -> None:
    """The weights of `nn.Linear`, and then `spikecheck.calibrate`."""
    spikecheck.calibrate(model, batch)


def initialized(model: nn.Module, initialize: Callable[[Tensor], object]) -> None:
    """Initialize the weights before spiking layers, with biases of 0: all but the last, which is the readout's."""
    *linear, _ = (module for module in model.modules() if isinstance(module, nn.Linear))
    for fc in linear:
        initialize(fc.weight)
        if fc.bias is not None:
            nn.init.zeros_(fc.bias)


INITIALIZERS = {make.__name__: make for make in (default, he_normal, xavier_uniform, orthogonal, calibrated)}
