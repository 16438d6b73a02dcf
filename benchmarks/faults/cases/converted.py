"""Networks that were trained with ReLU and converted: no training is seen, only the evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import sinabs.activation as sa
import sinabs.layers as sl
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn
from torch.nn import functional as F

from ..case import fault
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.sinabs import SinabsNet
from ..networks.spikingjelly import JellyNet
from ..script import Batch, Script

SIZES = (CHANNELS, 80, 80, CLASSES)
DEEP = (CHANNELS, 80, 80, 80, CLASSES)
UPDATES = 120


def trained(sizes: Sequence[int], bias: float = 0.0) -> list[nn.Linear]:
    """Return the layers of a ReLU network that was trained on the event counts of whole recordings.

    Hidden biases begin between 0 and `bias`, so that no unit begins silent.
    """
    linears = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    for linear in linears[:-1]:
        nn.init.uniform_(linear.bias, 0, bias)
    net = nn.Sequential(*[part for linear in linears[:-1] for part in (linear, nn.ReLU())], linears[-1])
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for x, y in Melodies(batches=UPDATES):
        optimizer.zero_grad()
        F.cross_entropy(net(x.sum(1)), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return linears


def copied(target: nn.Module, linears: list[nn.Linear]) -> None:
    """Copy weights and biases into the linear layers of a spiking network."""
    for mine, theirs in zip([m for m in target.modules() if isinstance(m, nn.Linear)], linears, strict=True):
        mine.load_state_dict(theirs.state_dict())


def counts_in_every_step(x: Tensor, steps: int) -> Tensor:
    """Return the event counts of whole recordings as a constant current."""
    return x.sum(1, keepdim=True).expand(-1, steps, -1)


@fault("sinabs", "unspent_potential")
def activations_above_one_spike(broken: bool) -> Script:
    """Activations of the ReLU network go far above 1, and its spiking neurons spike once per step at most."""
    spike_fn = sa.SingleSpike if broken else sa.MultiSpike
    net = SinabsNet(SIZES, neuron=lambda i: sl.IAF(spike_fn=spike_fn), last=nn.Identity)
    copied(net, trained(SIZES))

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return counts_in_every_step(x, 20), y

    return Script(net, Melodies(batches=0), prepare=prepare)


@torch.no_grad()
def normalized(linears: list[nn.Linear]) -> list[nn.Linear]:
    """Return layers whose largest activation is 1, as it was before the last layer: the classes stay the same."""
    x, before = next(iter(Melodies()))[0].sum(1), 1.0
    for linear in linears[:-1]:
        x = linear(x).relu()
        largest = float(x.max())
        linear.weight.mul_(before / largest)
        linear.bias.div_(largest)
        before = largest
    linears[-1].weight.mul_(before)
    return linears


@fault("spikingjelly", "unspent_potential", noted=("SPK223",), thread="fangwei123456/spikingjelly#289")
def four_time_steps(broken: bool) -> Script:
    """Weights are normalized by the largest activation, and 4 steps are too few for rates far below it."""
    net = JellyNet(DEEP, node=lambda i: neuron.IFNode(v_reset=None), last=lambda: None)
    copied(net, normalized(trained(DEEP)))

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return counts_in_every_step(x, 4 if broken else 60), y

    return Script(net, Melodies(batches=0), prepare=prepare)


@fault("sinabs", "dominating_bias", thread="synsense/sinabs#44")
def biases_in_every_step(broken: bool) -> Script:
    """Biases were trained on sums over 40 time steps, and are added in each of these."""
    net, linears = SinabsNet(SIZES, neuron=lambda i: sl.IAF(), last=nn.Identity), trained(SIZES, bias=3.0)
    for linear in linears:
        linear.bias.data.div_(1 if broken else 40)
    copied(net, linears)
    return Script(net, Melodies(batches=0))
