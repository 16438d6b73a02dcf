"""Hand-written neurons: a class of ten lines, called once per time step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..melodies import CHANNELS, CLASSES

GAIN = 3.0  # factor on torch's default weights, with which neurons of threshold 1 hardly fire


class FastSigmoid(torch.autograd.Function):
    """A step function with the surrogate derivative 1 / (1 + steepness * |v|)^2."""

    steepness = 8.0

    @classmethod
    def forward(cls, ctx: Any, distance: Tensor) -> Tensor:
        """Return 1 above 0, else 0."""
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance.dtype)

    @classmethod
    def backward(cls, ctx: Any, *grad_outputs: Tensor) -> Tensor:
        """Multiply the gradient by the surrogate derivative."""
        (distance,) = ctx.saved_tensors
        return grad_outputs[0] / (1 + cls.steepness * distance.abs()) ** 2


def fast_sigmoid(distance: Tensor) -> Tensor:
    """Return spikes with the fast sigmoid as surrogate gradient."""
    spikes: Tensor = FastSigmoid.apply(distance)  # type: ignore[no-untyped-call]
    return spikes


class Cell(nn.Module):
    """A leaky integrate-and-fire neuron with reset by subtraction."""

    def __init__(
        self,
        decay: float | Tensor = 0.85,
        threshold: float | Tensor = 1.0,
        spike: Callable[[Tensor], Tensor] = fast_sigmoid,
        recurrent: nn.Linear | None = None,
    ) -> None:
        super().__init__()
        self.decay, self.threshold, self.spike, self.recurrent = decay, threshold, spike, recurrent

    def forward(self, current: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one time step of [batch, neuron]; the state is the potential and the last spikes."""
        potential, before = state
        if self.recurrent is not None:
            current = current + self.recurrent(before)
        potential = self.decay * potential + current
        spikes = self.spike(potential - self.threshold)
        return spikes, (potential - spikes.detach() * self.threshold, spikes)


class HandNet(nn.Module):
    """Linear layers with cells between them; `readout` maps the last currents [step, batch, class] to logits.

    Attributes:
        before_cell: a module per layer, applied to the current of its cell.
    """

    def __init__(
        self,
        sizes: Sequence[int] = (CHANNELS, 100, CLASSES),
        cell: Callable[[int], Cell] = lambda layer: Cell(),
        readout: Callable[[Tensor], Tensor] | None = None,
        gain: float = GAIN,
    ) -> None:
        super().__init__()
        self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.cell = nn.ModuleList(cell(layer) for layer in range(len(sizes) - 2))
        self.readout = readout or averaged
        self.before_cell: nn.ModuleList | None = None
        with torch.no_grad():
            for linear in list(self.linear)[:-1]:
                linear.weight.mul_(gain)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        states = [(x.new_zeros(len(x), la.out_features),) * 2 for la in list(self.linear)[:-1]]
        currents = []
        for step in range(x.shape[1]):
            signal = x[:, step]
            for layer, cell in enumerate(self.cell):
                current = self.linear[layer](signal)
                if self.before_cell is not None:
                    current = self.before_cell[layer](current)
                signal, states[layer] = cell(current, states[layer])
            currents.append(self.linear[-1](signal))
        return self.readout(torch.stack(currents))


def integrated(currents: Tensor, decay: float = 0.9) -> Tensor:
    """Return the potential of leaky neurons without spikes in every step."""
    potential, potentials = torch.zeros_like(currents[0]), []
    for current in currents:
        potential = decay * potential + current
        potentials.append(potential)
    return torch.stack(potentials)


def averaged(currents: Tensor) -> Tensor:
    """Return the mean potential over time."""
    return integrated(currents).mean(0)
