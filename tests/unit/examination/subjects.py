"""Small subjects of an examination, whose data can be learned in a few updates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikecheck.examination.subject import Subject

STEPS, SAMPLES, CHANNELS, CLASSES = 8, 32, 12, 3


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        ctx.save_for_backward(v)
        return (v > 0).float()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        return grad / (1 + 5 * v.abs()) ** 2


class LIF(nn.Module):
    """Takes [batch, time, neuron]; with `carry`, its potential stays from batch to batch."""

    def __init__(self, threshold: float = 1.0, carry: bool = False) -> None:
        super().__init__()
        self.threshold, self.carry, self.v = threshold, carry, None

    def forward(self, current: Tensor) -> Tensor:
        v = torch.zeros_like(current[:, 0]) if self.v is None or not self.carry else self.v
        spikes = []
        for step in current.unbind(1):
            v = 0.9 * v + step
            s: Tensor = Spike.apply(v - self.threshold)
            v = v - self.threshold * s.detach()
            spikes.append(s)
        if self.carry:
            self.v = v.detach()
        return torch.stack(spikes, 1)


class Net(nn.Module):
    """Two weights and a spiking layer between them; takes [batch, time, channel]."""

    def __init__(self, lif: nn.Module | None = None, hidden: int = 24) -> None:
        super().__init__()
        self.fc1, self.lif, self.fc2 = nn.Linear(CHANNELS, hidden), lif or LIF(), nn.Linear(hidden, CLASSES)
        with torch.no_grad():
            self.fc1.weight.mul_(3.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.lif(self.fc1(x))).mean(1)


class Stuck(Net):
    """Its loop over time takes the same frame in each step."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.stack([x[:, 0] for _ in range(x.shape[1])], 1))


def last_frame_matters(own: Subject) -> bool:
    """Return whether the output depends on the last time step of the input."""
    batch = own.training[0]
    changed = batch.with_first(torch.cat([batch.first[:, :-1], 1 - batch.first[:, -1:]], 1))
    return not torch.equal(own.output(batch), own.output(changed))


class Cell(nn.Module):
    """One time step; returns spikes and potential."""

    def forward(self, current: Tensor, v: Tensor | None = None) -> tuple[Tensor, Tensor]:
        v = current if v is None else 0.9 * v + current
        spikes: Tensor = Spike.apply(v - 1.0)
        return spikes, v - spikes.detach()


class Loop(Net):
    """Calls its cell once per time step, with the state or without it."""

    def __init__(self, *, keeps: bool) -> None:
        super().__init__(Cell())
        self.keeps = keeps

    def forward(self, x: Tensor) -> Tensor:
        v, spikes = None, []
        for step in self.fc1(x).unbind(1):
            s, new = self.lif(step, v)
            v = new if self.keeps else None
            spikes.append(s)
        return self.fc2(torch.stack(spikes, 1)).mean(1)


def detached() -> Net:
    """Detach the spikes, and switch gradients off in the first layer."""
    net = Net()

    def forward(x: Tensor) -> Tensor:
        with torch.no_grad():
            current = net.fc1(x)
        return net.fc2(net.lif(current).detach()).mean(1)

    net.forward = forward
    return net


def gradient_of_first(own: Subject) -> Tensor:
    own.gradients(own.training[0])
    return own.model.fc1.weight.grad


class Gated(Net):
    """The spikes of two branches are multiplied, twice."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.gates = nn.Linear(CHANNELS, 24), LIF()
        with torch.no_grad():
            self.gate.weight.mul_(3.0)

    def forward(self, x: Tensor) -> Tensor:
        spikes, gates = self.lif(self.fc1(x)), self.gates(self.gate(x))
        for _ in range(2):
            spikes = spikes * gates
        return self.fc2(spikes).mean(1)


def branches_are_added(own: Subject) -> bool:
    """Return whether the output of `Gated` is that of a sum."""
    net, batch = own.model, own.training[0]
    spikes, gates = net.lif(net.fc1(batch.first)), net.gates(net.gate(batch.first))
    return torch.allclose(own.output(batch), net.fc2(spikes + 2 * gates).mean(1))


def batches(number: int = 16, samples: int = SAMPLES, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Each class is active in a third of the channels."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(number):
        y = torch.randint(CLASSES, (samples,), generator=generator)
        rate = torch.full((samples, CHANNELS), 0.1)
        rate[torch.arange(CHANNELS) * CLASSES // CHANNELS == y[:, None]] = 0.6
        x = torch.rand((samples, STEPS, CHANNELS), generator=generator) < rate[:, None]
        made.append((x.float(), y))
    return made


def subject(model: nn.Module | None = None, *, rate: float = 5e-3, **options: Any) -> Subject:
    torch.manual_seed(0)
    net = model or Net()
    data = options.pop("batches", None) or batches()
    optimizer = options.pop("optimizer", None) or torch.optim.Adam(net.parameters(), lr=rate)
    return Subject.of(net, data, options.pop("loss_fn", F.cross_entropy), optimizer, **options)
