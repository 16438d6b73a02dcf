"""The same tiny network in every library, and what the suite expects of it.

A file in `networks/` says how a library's layers are made, called and reset; everything else is written once, here.
`Net.shown` holds what the layers really returned, [time, batch, neuron], for counting by hand.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import tests.conformance.networks as folder

torch.set_num_threads(1)

STEPS, BATCH, INPUTS, HIDDEN, CLASSES = 10, 6, 12, 16, 4


@dataclass(frozen=True)
class Kind:
    """One kind of neuron layer of one library.

    Attributes:
        library: as the report names it.
        name: of the layer's class, and of what is special about how it is used.
        layer: a layer of so many neurons.
        run: the layer and its current [time, batch, neuron] to its spikes, of the same layout.
        reset: makes the layers of a network forget; None where the script hands on the state, or there is none.
        sees: time steps that one call of the layer sees: "step" or "sequence".
        multi: may a neuron spike several times in one step, as the layer stands by default?
        values: the spikes that the layer can emit, where they are few.
        gain: what the first weights are multiplied by, so that a layer that shrinks its input fires all the same.
        potential: does the report see potentials?
        current: does the layer get a current, or does it weigh its input itself?
        compiles: does torch.compile take it in one graph?
        clear: empties what the library remembers of models that are gone.
    """

    library: str
    name: str
    layer: Callable[[int], nn.Module]
    run: Callable[[nn.Module, Tensor], Tensor]
    sees: str
    reset: Callable[[nn.Module], Any] | None = None
    multi: bool = False
    values: frozenset[float] = frozenset({0.0, 1.0})
    gain: float = 2.0
    potential: bool = True
    current: bool = True
    compiles: bool = True
    clear: Callable[[], Any] | None = None
    main: bool = False  # the one that stands for its library in docs/frameworks.md

    def __str__(self) -> str:
        return f"{self.library}: {self.name}"


class Net(nn.Module):
    """Two weighted and two spiking layers; the logits are the spikes of the last, averaged over time."""

    def __init__(self, kind: Kind, gain: float = 1.0) -> None:
        super().__init__()
        self.kind = kind
        self.fc1, self.lif1 = nn.Linear(INPUTS, HIDDEN), kind.layer(HIDDEN)
        self.fc2, self.lif2 = nn.Linear(HIDDEN, CLASSES), kind.layer(CLASSES)
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for fc in (self.fc1, self.fc2):
                fc.bias.zero_()
                fc.weight.copy_(torch.randn(fc.weight.shape, generator=generator) * fc.weight.shape[1] ** -0.5)
                fc.weight.mul_(gain * kind.gain)
        self.shown: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        self.shown = {}
        if self.kind.reset is not None:
            self.kind.reset(self)
        for fc, lif, name in ((self.fc1, self.lif1, "lif1"), (self.fc2, self.lif2, "lif2")):
            x = self.kind.run(lif, fc(x))
            if not torch.compiler.is_compiling():
                self.shown[name] = x.detach()
        y: Tensor = x.mean(0)
        return y


def kinds() -> list[Kind]:
    """All kinds of all libraries, from the files of the folder."""
    kinds_of_library: list[Kind] = []
    for info in pkgutil.iter_modules(folder.__path__):
        kinds_of_library += import_module(f"{folder.__name__}.{info.name}").KINDS
    return kinds_of_library


def batch(steps: int = STEPS, samples: int = BATCH, seed: int = 0, rate: float = 0.4) -> tuple[Tensor, Tensor]:
    """Binary frames [time, batch, channel] and labels."""
    generator = torch.Generator().manual_seed(seed)
    x = (torch.rand(steps, samples, INPUTS, generator=generator) < rate).float()
    return x, torch.randint(CLASSES, (samples,), generator=generator)


def train(model: nn.Module, updates: int = 3, lr: float = 0.001, **arguments: Any) -> list[Tensor]:
    """A training loop that knows nothing of spikecheck; the losses."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    losses = []
    for update in range(updates):
        x, y = batch(seed=update, **arguments)
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses


def stepwise(layer: nn.Module, current: Tensor) -> Tensor:
    """Call a layer once per step, where it returns the spikes alone and keeps its state on itself."""
    return torch.stack([layer(step) for step in current])


def first_of(layer: nn.Module, current: Tensor) -> Tensor:
    """Call a layer once per sequence, [time, batch, neuron], where it returns a tuple."""
    spikes: Tensor = layer(current)[0]
    return spikes


def whole(layer: nn.Module, current: Tensor) -> Tensor:
    """Call a layer once per sequence, [time, batch, neuron], where it returns the spikes alone."""
    spikes: Tensor = layer(current)
    return spikes
