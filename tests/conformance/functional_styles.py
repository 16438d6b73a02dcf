"""Styles of networks whose neurons are no modules: each as people publish it, and what it should be seen to do.

`record(layer, spikes)` notes the true spikes. A style's network, batch and expected layers are in STYLES; the name of a
layer is its module, the marked line and what is called there, with `#2` for the second layer of one line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BATCH, STEPS, INPUTS, HIDDEN, CLASSES = 5, 8, 12, 10, 3
TRUE_SPIKES: dict[str, list[Tensor]] = {}


def record(layer: str, spikes: Tensor) -> Tensor:
    """Note the true spikes of a layer, one call per time step."""
    TRUE_SPIKES.setdefault(layer, []).append(spikes.detach().clone())
    return spikes


class FastSigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: Tensor) -> Tensor:
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient / (5 * ctx.saved_tensors[0].abs() + 1) ** 2


class Rectangle(torch.autograd.Function):
    """The threshold of 0.3 is inside of the function."""

    @staticmethod
    def forward(ctx: Any, potential: Tensor) -> Tensor:
        ctx.save_for_backward(potential)
        return potential.gt(0.3).float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient * ((ctx.saved_tensors[0] - 0.3).abs() < 0.5).float()


spike_fn: Callable[..., Tensor] = FastSigmoid.apply
rectangle: Callable[..., Tensor] = Rectangle.apply


class Tutorial(nn.Module):
    """Layer after layer over the whole sequence, recurrent first, spikes before the state's update."""

    def __init__(self) -> None:
        super().__init__()
        self.w1, self.v1 = weight(INPUTS, HIDDEN, 2.0), weight(HIDDEN, HIDDEN, 0.3)
        self.w2, self.w3 = weight(HIDDEN, HIDDEN, 2.0), weight(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        current = torch.einsum("bti,ih->bth", x, self.w1)
        synapse = potential = out = x.new_zeros(len(x), HIDDEN)
        shown = []
        for t in range(x.shape[1]):
            inputs = current[:, t] + torch.einsum("bh,hk->bk", out, self.v1)
            out = record("first", spike_fn(potential - 1.0))  # first
            potential = (0.9 * potential + synapse) * (1 - out.detach())
            synapse = 0.8 * synapse + inputs
            shown.append(out)
        current = torch.einsum("bth,hk->btk", torch.stack(shown, 1), self.w2)
        potential, shown = torch.zeros_like(potential), []
        for t in range(x.shape[1]):
            distance = potential - 1.0
            out = record("second", spike_fn(distance))  # second
            potential = (0.9 * potential + current[:, t]) * (1 - out.detach())
            shown.append(out)
        return torch.stack(shown, 1).mean(1) @ self.w3


def adaptive(current: Tensor, state: tuple[Tensor, Tensor, Tensor], tau: Tensor, layer: str) -> tuple[Tensor, ...]:
    """One step of neurons whose threshold adapts."""
    potential, spikes, adaptation = state
    adaptation = 0.95 * adaptation + 0.05 * spikes
    threshold = 0.1 + 1.8 * adaptation
    potential = potential * torch.exp(-1 / tau) + current - threshold * spikes
    spikes = record(layer, spike_fn(potential - threshold))  # adaptive
    return potential, spikes, adaptation


class Adaptive(nn.Module):
    """Two recurrent layers of adaptive neurons, one helper for both."""

    def __init__(self) -> None:
        super().__init__()
        self.i2h, self.h2h = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.h2d, self.d2d = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.d2o, self.tau = nn.Linear(HIDDEN, CLASSES), nn.Parameter(torch.full((HIDDEN,), 10.0))

    def forward(self, x: Tensor) -> Tensor:
        first = second = (torch.rand(len(x), HIDDEN) * 0.1, x.new_zeros(len(x), HIDDEN), x.new_zeros(len(x), HIDDEN))
        out = x.new_zeros(len(x), CLASSES)
        for t in range(x.shape[1]):
            first = adaptive(self.i2h(x[:, t]) + self.h2h(first[1]), first, self.tau, "first")  # type: ignore[assignment]
            second = adaptive(self.h2d(first[1]) + self.d2d(second[1]), second, self.tau, "second")  # type: ignore[assignment]
            out = out + F.softmax(self.d2o(second[1]), 1)
        return out


def mem_update(operation: nn.Module, x: Tensor, potential: Tensor, spikes: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """One step of leaky neurons behind a convolution or a linear layer."""
    potential = potential * 0.5 * (1 - spikes) + operation(x)
    return potential, record(layer, rectangle(potential))  # mem_update


class Convolutional(nn.Module):
    """Four layers that share one helper; the last two are of one shape."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(16, CLASSES), nn.Linear(CLASSES, CLASSES)
        with torch.no_grad():
            for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
                layer.bias.fill_(0.2)

    def forward(self, image: Tensor) -> Tensor:
        b = len(image)
        m1, m2, s1, s2 = (image.new_zeros(b, c, n, n) for c, n in ((3, 8), (4, 4), (3, 8), (4, 4)))
        m3 = m4 = s3 = s4 = total = image.new_zeros(b, CLASSES)
        for _ in range(STEPS):
            x = (image > torch.rand_like(image)).float()
            m1, s1 = mem_update(self.conv1, x, m1, s1, "first")
            m2, s2 = mem_update(self.conv2, F.avg_pool2d(s1, 2), m2, s2, "second")
            m3, s3 = mem_update(self.fc1, F.avg_pool2d(s2, 2).view(b, -1), m3, s3, "third")
            m4, s4 = mem_update(self.fc2, s3, m4, s4, "fourth")
            total = total + m4
        return total / STEPS


class NormPerStep(nn.Module):
    """Three layers in a loop on one line, with a batch normalization of its own for each time step."""

    def __init__(self) -> None:
        super().__init__()
        self.spike_fn, self.threshold = FastSigmoid.apply, 0.3
        self.fcs = nn.ModuleList(nn.Linear(INPUTS if i == 0 else HIDDEN, HIDDEN) for i in range(3))
        self.norms = nn.ModuleList(nn.ModuleList(nn.BatchNorm1d(HIDDEN) for _ in range(STEPS)) for _ in range(3))
        self.out = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        potentials, total = [x.new_zeros(len(x), HIDDEN)] * 3, x.new_zeros(len(x), CLASSES)
        for t in range(x.shape[1]):
            h = x[:, t]
            for i in range(3):
                norms: Any = self.norms[i]
                potentials[i] = 0.9 * potentials[i] + 0.5 * norms[t](self.fcs[i](h))
                distance = potentials[i] / self.threshold - 1.0
                h = record(str(i), self.spike_fn(distance))  # per step
                reset = torch.zeros_like(h)
                reset[distance > 0] = self.threshold
                potentials[i] = potentials[i] - reset
            total = total + self.out(h)
        return total / x.shape[1]


def integrate(x: Tensor, w: Tensor, layer: str) -> Tensor:
    """Run a layer over a sequence; the gradient is cut every fourth step."""
    current, potential, shown = x @ w, x.new_zeros(len(x), w.shape[1]), []
    for t in range(x.shape[1]):
        if t % 4 == 0:
            potential = potential.detach()
        potential = 0.9 * potential + current[:, t]
        spikes = record(layer, spike_fn(potential - 0.5))  # truncated
        potential = potential - 0.5 * spikes.detach()
        shown.append(spikes)
    return torch.stack(shown, 1)


class Truncated(nn.Module):
    """One helper on one line for three layers, with truncated backpropagation through time."""

    def __init__(self) -> None:
        super().__init__()
        self.ws = nn.ParameterList(weight(INPUTS if i == 0 else HIDDEN, HIDDEN, 2.0) for i in range(3))
        self.out = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        for i, w in enumerate(self.ws):
            x = integrate(x, w, str(i))
        return self.out(x.mean(1))


class Loop(nn.Module):
    """A loop of two layers that resets by a second call of the surrogate, as some libraries do."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.out = nn.Linear(INPUTS, HIDDEN), nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        u = v = x.new_zeros(len(x), HIDDEN)
        total = x.new_zeros(len(x), CLASSES)
        for t in range(x.shape[1]):
            reset = spike_fn(u - 0.3).detach()
            u = 0.9 * u + self.fc1(x[:, t]) - 0.3 * reset
            z = record("first", spike_fn(u - 0.3))  # loop one
            reset = spike_fn(v - 0.3).detach()
            v = 0.9 * v + self.fc2(z) - 0.3 * reset
            y = record("second", spike_fn(v - 0.3))  # loop two
            total = total + self.out(y)
        return total


class Inside(nn.Module):
    """The loop inside of another module, which returns no spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.net = nn.Linear(INPUTS, INPUTS), Loop()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(self.encoder(x).relu() + x)
        return out


class Block(nn.Module):
    """One step of two layers; it returns the spikes of the second."""

    def __init__(self, inputs: int, names: tuple[str, str]) -> None:
        super().__init__()
        self.f, self.g, self.names = nn.Linear(inputs, HIDDEN), nn.Linear(HIDDEN, HIDDEN), names

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        u, v = 0.9 * state[0] + self.f(x), state[1]
        z = record(self.names[0], spike_fn(u - 0.3))  # block one
        v = 0.9 * v + self.g(z)
        y = record(self.names[1], spike_fn(v - 0.3))  # block two
        return y, (u * (1 - z.detach()), v * (1 - y.detach()))


class Blocks(nn.Module):
    """Blocks of two layers, called once per time step."""

    def __init__(self) -> None:
        super().__init__()
        self.b1, self.b2 = Block(INPUTS, ("1a", "1b")), Block(HIDDEN, ("2a", "2b"))
        self.out = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        zero = x.new_zeros(len(x), HIDDEN)
        first = second = (zero, zero)
        total = x.new_zeros(len(x), CLASSES)
        for t in range(x.shape[1]):
            z, first = self.b1(x[:, t], first)
            y, second = self.b2(z, second)
            total = total + self.out(y)
        return total


def straight_through(x: Tensor) -> Tensor:
    """A comparison whose gradient is a sigmoid's, without any autograd function."""
    soft = torch.sigmoid(5 * x)
    return (x > 0).float() + (soft - soft.detach())  # straight


class StraightThrough(Loop):
    """The loop with a straight-through estimator."""

    def forward(self, x: Tensor) -> Tensor:
        u = v = x.new_zeros(len(x), HIDDEN)
        total = x.new_zeros(len(x), CLASSES)
        for t in range(x.shape[1]):
            u = 0.9 * u + self.fc1(x[:, t])
            z = record("first", straight_through(u - 0.3))
            u = u - 0.3 * z
            v = 0.9 * v + self.fc2(z)
            y = record("second", straight_through(v - 0.3))
            v = v - 0.3 * y
            total = total + self.out(y)
        return total


def weight(inputs: int, outputs: int, scale: float = 1.0) -> nn.Parameter:
    return nn.Parameter(torch.randn(inputs, outputs) * scale * inputs**-0.5)


def line_of(marker: str) -> str:
    """The file and the line that ends with a marker."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (number,) = [n for n, text in enumerate(lines, 1) if text.endswith(f"  # {marker}")]
    return f"{Path(__file__).name}:{number}"


def sequence() -> Tensor:
    return (torch.rand(BATCH, STEPS, INPUTS) < 0.4).float()


@dataclass(frozen=True)
class Style:
    """A network, a batch, and for each layer its true spikes, where it is applied, and what feeds it."""

    build: Callable[[], nn.Module]
    layers: tuple[tuple[str, str, str], ...]
    example: Callable[[], Tensor] = sequence
    sampled: bool = False  # found by looking at every operation, from the second training pass on

    def names(self) -> dict[str, str]:
        """The name of each layer in a report, by the name of its true spikes."""
        used: dict[str, int] = {}
        names = {}
        for truth, place, _ in self.layers:
            module, _, rest = place.rpartition("@")
            marker, _, called = rest.partition(" -> ")
            name = f"{module} {line_of(marker)} {called}".strip()
            used[name] = used.get(name, 0) + 1
            names[truth] = name if used[name] == 1 else f"{name} #{used[name]}"
        return names


STYLES = {
    "tutorial": Style(Tutorial, (("first", "first -> spike_fn", "w1"), ("second", "second -> spike_fn", "w2"))),
    "adaptive": Style(Adaptive, (("first", "adaptive -> spike_fn", "i2h"), ("second", "adaptive -> spike_fn", "h2d"))),
    "convolutional": Style(
        Convolutional,
        tuple(
            (truth, "mem_update -> rectangle", fed_by)
            for truth, fed_by in (("first", "conv1"), ("second", "conv2"), ("third", "fc1"), ("fourth", "fc2"))
        ),
        example=lambda: torch.rand(BATCH, 1, 8, 8),
    ),
    "norm per step": Style(NormPerStep, tuple((str(i), "per step -> spike_fn", f"fcs.{i}") for i in range(3))),
    "truncated": Style(Truncated, tuple((str(i), "truncated -> spike_fn", f"ws.{i}") for i in range(3))),
    "reset by a copy": Style(
        Loop, (("first", "loop one -> spike_fn", "fc1"), ("second", "loop two -> spike_fn", "fc2"))
    ),
    "inside of a module": Style(
        Inside, (("first", "net@loop one -> spike_fn", "net.fc1"), ("second", "net@loop two -> spike_fn", "net.fc2"))
    ),
    "straight-through": Style(
        StraightThrough,
        (("first", "straight -> straight_through", "fc1"), ("second", "straight -> straight_through", "fc2")),
        sampled=True,
    ),
    "blocks": Style(
        Blocks,
        (
            ("1a", "b1@block one -> spike_fn", "b1.f"),
            ("1b", "b1@block two -> spike_fn", "b1.g"),
            ("2a", "b2@block one -> spike_fn", "b2.f"),
            ("2b", "b2@block two -> spike_fn", "b2.g"),
        ),
    ),
}
