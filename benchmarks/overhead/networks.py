"""The networks that are timed: fully connected spiking layers, in each library that is installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

INPUT_RATE = 0.02  # spikes per channel and step; an SHD sample has about 8,000 spikes in 100 bins of 700 channels
CLASSES = 20


@dataclass(frozen=True)
class Setting:
    """A network and its batch; `depth` counts the spiking layers."""

    framework: str = "snntorch"
    channels: int = 700
    hidden: int = 256
    depth: int = 2
    steps: int = 100
    batch: int = 64

    def __str__(self) -> str:
        widths = "-".join(map(str, [self.channels, *[self.hidden] * (self.depth - 1), CLASSES]))
        layers = widths if self.depth < 4 else f"{self.channels}-{self.depth - 1}x{self.hidden}-{CLASSES}"
        return f"{self.framework} {layers}, T={self.steps}, batch {self.batch}"


class Network(nn.Module):
    """Linear and spiking layers in turn; the logits are the sum of the last layer's spikes and its input current."""

    def __init__(self, setting: Setting, neuron: Callable[[], nn.Module]) -> None:
        super().__init__()
        widths = [setting.channels, *[setting.hidden] * (setting.depth - 1), CLASSES]
        self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.neurons = nn.ModuleList(neuron() for _ in widths[1:])


class PerStep(Network):
    """The script loops over time and passes the state on: snntorch and norse."""

    def forward(self, x: Tensor) -> Tensor:
        """Map spikes [time, batch, channel] to logits [batch, class]."""
        states: list[Any] = [neuron.init_leaky() if hasattr(neuron, "init_leaky") else None for neuron in self.neurons]
        total = torch.zeros(x.shape[1], CLASSES)
        for frame in x:
            spikes = current = frame
            for number, (linear, neuron) in enumerate(zip(self.linear, self.neurons, strict=True)):
                current = linear(spikes)
                spikes, states[number] = neuron(current, states[number])
            total = total + spikes + current
        return total / len(x)


class Sequences(Network):
    """Each layer takes the whole sequence: spikingjelly [time, batch, ...] and sinabs [batch, time, ...]."""

    batch_first = False

    def forward(self, x: Tensor) -> Tensor:
        """Map spikes [time, batch, channel] to logits [batch, class]."""
        self.reset()
        spikes = current = x.transpose(0, 1) if self.batch_first else x
        for linear, neuron in zip(self.linear, self.neurons, strict=True):
            current = linear(spikes)
            spikes = neuron(current)
        return (spikes + current).mean(1 if self.batch_first else 0)

    def reset(self) -> None:
        """Begin a sequence without state."""
        for neuron in self.neurons:
            (neuron.reset_states if self.batch_first else neuron.reset)()


class BatchFirst(Sequences):
    """[batch, time, ...]."""

    batch_first = True


def build(setting: Setting) -> nn.Module:
    """Return the network of a setting, from a fixed seed; ImportError where its library is not installed."""
    torch.manual_seed(0)
    if setting.framework == "snntorch":
        leaky = import_module("snntorch").Leaky
        return PerStep(setting, lambda: leaky(beta=0.9))
    if setting.framework == "norse":
        return PerStep(setting, import_module("norse.torch").LIFCell)
    if setting.framework == "spikingjelly":
        node = import_module("spikingjelly.activation_based.neuron").LIFNode
        return Sequences(setting, lambda: node(tau=2.0, step_mode="m"))
    layer = import_module("sinabs.layers").LIF
    return BatchFirst(setting, lambda: layer(tau_mem=10.0))


FRAMEWORKS = ("snntorch", "norse", "spikingjelly", "sinabs")
