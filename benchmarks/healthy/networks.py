"""A random network of each library, dense or convolutional, from [batch, step, channel] to logits [batch, class]."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import norse.torch as norse
import sinabs.activation as sa
import snntorch as snn
import torch
from snntorch import surrogate
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

from benchmarks.faults.networks.hand import Cell, HandNet, averaged, integrated
from benchmarks.faults.networks.norse import NorseNet
from benchmarks.faults.networks.rockpool import RockpoolNet
from benchmarks.faults.networks.rockpool import lif as rockpool_lif
from benchmarks.faults.networks.sinabs import SinabsNet, leak
from benchmarks.faults.networks.sinabs import lif as sinabs_lif
from benchmarks.faults.networks.snntorch import SnntorchNet, leaky
from benchmarks.faults.networks.spikingjelly import JellyNet
from benchmarks.faults.networks.spikingjelly import lif as jelly_lif

PIXELS = 6  # side of an image; 2 * 6 * 6 channels for two polarities
IMAGE = 2 * PIXELS * PIXELS
MAPS = 8


@dataclass(frozen=True)
class RandomNetwork:
    """A network and a description of what was drawn for it."""

    model: nn.Module
    words: dict[str, object]


def hand(r: Random, sizes: tuple[int, ...]) -> RandomNetwork:
    """Draw hand-written cells in a loop over time; some are recurrent."""
    decay, link = r.choice([0.7, 0.85, 0.95]), r.choice([0.0, 0.0, 0.2, 0.5, 1.0])
    read = r.choice(["mean", "largest", "last", "sum"])
    reads: dict[str, Callable[[Tensor], Tensor]] = {
        "mean": averaged,
        "largest": lambda out: integrated(out).amax(0),
        "last": lambda out: integrated(out)[-1],
        "sum": lambda out: out.sum(0) / 4,
    }

    def cell(i: int) -> Cell:
        recurrent = nn.Linear(sizes[i + 1], sizes[i + 1], bias=False) if link else None
        if recurrent is not None:
            with torch.no_grad():
                recurrent.weight.mul_(link)
        return Cell(decay=decay, recurrent=recurrent)

    return RandomNetwork(HandNet(sizes, cell, reads[read]), {"decay": decay, "recurrent": link, "read": read})


def snntorch(r: Random, sizes: tuple[int, ...]) -> RandomNetwork:
    """Draw snnTorch layers in a loop over time."""
    beta, reset = r.choice([0.8, 0.9, 0.95]), r.choice(["subtract", "zero"])
    kind, read = r.choice(["Leaky", "Leaky", "Synaptic", "learned"]), r.choice(["potential", "count", "rate"])
    grad = surrogate.fast_sigmoid(slope=r.choice([5, 10, 25])) if r.random() < 0.7 else surrogate.atan()

    def node(i: int) -> nn.Module:
        options = {"beta": beta, "spike_grad": grad, "reset_mechanism": reset}
        if kind == "Synaptic":
            return snn.Synaptic(alpha=0.6, **options)
        return leaky(learn_beta=kind == "learned", **options)

    reads: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "potential": lambda spikes, potential: potential.mean(0),
        "count": lambda spikes, potential: spikes.sum(0),
        "rate": lambda spikes, potential: spikes.mean(0),
    }
    quiet = {"reset_mechanism": "none"} if read == "potential" else {}
    model = SnntorchNet(sizes, node, lambda: leaky(**quiet), reads[read])
    return RandomNetwork(model, {"beta": beta, "reset": reset, "neuron": kind, "read": read})


def sinabs(r: Random, sizes: tuple[int, ...]) -> RandomNetwork:
    """Draw layers called once per sequence; some emit several spikes per step, with a matching surrogate."""
    several, read = r.random() < 0.4, r.choice(["leak", "count"])
    tau = r.choice([5.0, 10.0, 20.0])
    spiking = {"spike_fn": sa.MultiSpike, "surrogate_grad_fn": sa.PeriodicExponential()} if several else {}
    node: Callable[[int], nn.Module] = lambda i: sinabs_lif(tau_mem=tau, **spiking)  # noqa: E731
    last = leak if read == "leak" else lambda: node(0)
    reads = {"leak": lambda out: out.mean(1), "count": lambda out: out.sum(1)}
    return RandomNetwork(SinabsNet(sizes, node, last, reads[read]), {"several": several, "tau": tau, "read": read})


class Stepwise(JellyNet):
    """The same network, called once per time step."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `read` applied to [step, batch, class]; x is [batch, step, channel]."""
        functional.reset_net(self.layers)
        functional.set_step_mode(self.layers, "s")
        return self.read(torch.stack([self.layers(frame) for frame in x.unbind(1)]))


def spikingjelly(r: Random, sizes: tuple[int, ...]) -> RandomNetwork:
    """Draw layers called once per sequence or once per step; some with batch norm or dropout."""
    tau, reset, learned = r.choice([2.0, 4.0]), r.choice([None, 0.0]), r.random() < 0.3
    inside = r.choice(["nothing", "nothing", "norm", "dropout"])
    steps, read = r.random() < 0.4 and inside != "norm", r.choice(["rate", "count", "potential"])

    def node(i: int) -> nn.Module:
        if learned:
            return neuron.ParametricLIFNode(init_tau=tau, decay_input=False, v_reset=reset)
        return jelly_lif(tau=tau, v_reset=reset)

    def between(i: int, size: int) -> list[nn.Module]:
        return {"nothing": [], "norm": [layer.BatchNorm1d(size)], "dropout": [layer.Dropout(0.2)]}[inside]

    reads: dict[str, Callable[[Tensor], Tensor]] = {
        "rate": lambda out: out.mean(0),
        "count": lambda out: out.sum(0),
        "potential": lambda out: out.mean(0),
    }
    last: Callable[[], nn.Module | None] = (lambda: None) if read == "potential" else lambda: node(0)
    model = (Stepwise if steps else JellyNet)(sizes, node, last, reads[read], between, 1.0 if inside == "norm" else 3.0)
    words = {"tau": tau, "v_reset": reset, "learned": learned, "inside": inside, "steps": steps, "read": read}
    return RandomNetwork(model, words)


def norse_(r: Random, sizes: tuple[int, ...]) -> RandomNetwork:
    """Draw layers called once per sequence; some are recurrent."""
    recurrent = r.random() < 0.4
    size = dict(enumerate(sizes[1:]))
    node: Callable[[int], nn.Module] = lambda i: norse.LIFRecurrent(size[i], size[i]) if recurrent else norse.LIF()  # noqa: E731
    return RandomNetwork(NorseNet(sizes, node), {"recurrent": recurrent})


def rockpool(r: Random, sizes: tuple[int, ...]) -> RandomNetwork:
    """Draw layers called once per sequence."""
    node = lambda i, size: rockpool_lif(size)  # noqa: E731
    return RandomNetwork(RockpoolNet(sizes, node), {})


class Convolutions(nn.Module):
    """spikingjelly convolutions and a linear layer, with or without batch norm, from [batch, step, channel]."""

    def __init__(self, classes: int, layers: int, norm: bool) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for a, b in itertools.pairwise((2, *(MAPS,) * layers)):
            modules += [layer.Conv2d(a, b, 3, padding=1), *([layer.BatchNorm2d(b)] if norm else []), jelly_lif()]
        self.layers = nn.Sequential(
            *modules, layer.AvgPool2d(2), layer.Flatten(), layer.Linear(MAPS * (PIXELS // 2) ** 2, classes)
        )
        functional.set_step_mode(self, "m")
        with torch.no_grad():
            for module in modules:
                if isinstance(module, nn.Conv2d) and not norm:
                    module.weight.mul_(3)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        functional.reset_net(self)
        out: Tensor = self.layers(x.transpose(0, 1).unflatten(2, (2, PIXELS, PIXELS)))
        return out.mean(0)


def convolutional(r: Random, sizes: tuple[int, ...]) -> RandomNetwork:
    """Draw one to three convolutions."""
    layers, norm = r.choice([1, 2, 3]), r.random() < 0.6
    return RandomNetwork(Convolutions(sizes[-1], layers, norm), {"convolutions": layers, "norm": norm})


LIBRARIES: dict[str, Callable[[Random, tuple[int, ...]], RandomNetwork]] = {
    "hand": hand,
    "snntorch": snntorch,
    "sinabs": sinabs,
    "spikingjelly": spikingjelly,
    "norse": norse_,
    "rockpool": rockpool,
    "convolutional": convolutional,
}
