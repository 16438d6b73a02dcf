"""Unusual models that learn; spikecheck must not report a warning or an error on them."""

from __future__ import annotations

import math

import norse.torch as norse
import sinabs.activation as sa
import sinabs.layers as sl
import snntorch as snn
import torch
from spikingjelly.activation_based import layer, neuron, surrogate
from torch import Tensor, nn
from torch.nn import functional as F

from ..case import healthy
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import Cell, HandNet
from ..networks.norse import NorseNet
from ..networks.rockpool import RockpoolNet
from ..networks.rockpool import lif as rockpool_lif
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet, lif
from ..script import LEARNING_RATE, Batch, Script

THREE = (CHANNELS, 80, 80, CLASSES)


@healthy("hand")
def recurrent() -> Script:
    """A recurrent layer"""
    link = nn.Linear(100, 100, bias=False)
    nn.init.normal_(link.weight, std=0.04)
    return Script(HandNet(cell=lambda i: Cell(recurrent=link)))


@healthy("hand")
def many_time_constants() -> Script:
    """Each neuron has a different decay, from 0.3 to 0.99"""
    return Script(HandNet(cell=lambda i: Cell(decay=torch.linspace(0.3, 0.99, 100))))


@healthy("hand")
def five_layers() -> Script:
    """Four hidden layers, with weights large enough for activity to reach the last"""
    return Script(HandNet((CHANNELS, 80, 80, 80, 80, CLASSES), gain=4.0))


@healthy("hand")
def frozen_random_features() -> Script:
    """The first layer is random and intentionally frozen with requires_grad"""
    net = HandNet()
    net.linear[0].requires_grad_(False)
    return Script(net)


@healthy("hand")
def regression() -> Script:
    """Regression, without classes or a chance level; the score is 1 - squared error / variance"""
    angle = lambda y: torch.stack([(y * math.tau / CLASSES).sin(), (y * math.tau / CLASSES).cos()], -1)  # noqa: E731
    return Script(
        HandNet((CHANNELS, 100, 2)),
        Melodies(),
        loss=lambda out, y: F.mse_loss(out, angle(y)),
        score=lambda out, y: float(1 - F.mse_loss(out, angle(y)) / 0.5),
    )


@healthy("snntorch")
def synaptic_current() -> Script:
    """Second-order neurons with a synaptic current"""
    return Script(SnntorchNet(neuron=lambda i: snn.Synaptic(alpha=0.6, beta=0.88)))


@healthy("snntorch")
def population_code() -> Script:
    """Two hundred output neurons, ten per class, read out by spike count"""

    def read(spikes: Tensor, potential: Tensor) -> Tensor:
        return spikes.sum(0).unflatten(-1, (CLASSES, 10)).mean(-1)

    return Script(SnntorchNet((CHANNELS, 100, 10 * CLASSES), last=leaky, read=read))


@healthy("snntorch")
def learned_beta() -> Script:
    """A learned decay in each layer, and weight decay on the weights only"""
    net = SnntorchNet(neuron=lambda i: leaky(learn_beta=True))
    own = [p for name, p in net.named_parameters() if "beta" in name]
    other = [p for name, p in net.named_parameters() if "beta" not in name and "threshold" not in name]
    groups = [{"params": other, "weight_decay": 0.01}, {"params": own, "lr": 1e-3, "weight_decay": 0}]
    return Script(net, optimizer=torch.optim.AdamW(groups, lr=LEARNING_RATE))


@healthy("snntorch")
def truncated_backpropagation() -> Script:
    """Truncated backpropagation: the state is detached four times per sequence and carried on"""

    class Truncated(SnntorchNet):
        def forward(self, x: Tensor) -> Tensor:
            hidden, last = self.lif[0].reset_mem(), self.lif[1].reset_mem()
            total: Tensor | int = 0
            for step, frame in enumerate(x.unbind(1)):
                if step % 10 == 0:
                    hidden, last = hidden.detach(), last.detach()
                spikes, hidden = self.lif[0](self.fc[0](frame), hidden)
                _, last = self.lif[1](self.fc[1](spikes), last)
                total = total + last
            return total / x.shape[1]

    return Script(Truncated())


@healthy("sinabs", thread="synsense/sinabs#55")
def counts_on_purpose() -> Script:
    """Integrate-and-fire neurons with several spikes per step and a matching surrogate gradient"""
    counting = {"spike_fn": sa.MultiSpike, "surrogate_grad_fn": sa.PeriodicExponential()}
    return Script(SinabsNet(neuron=lambda i: sl.IAF(**counting), gain=1.5))


@healthy("sinabs")
def adaptive_threshold() -> Script:
    """Adaptive neurons: each spike raises the threshold"""
    alif = {"tau_mem": 8.0, "tau_adapt": 20.0, "norm_input": False, "adapt_scale": 0.5}
    return Script(SinabsNet(neuron=lambda i: sl.ALIF(**alif)))


@healthy("spikingjelly")
def parametric_with_dropout() -> Script:
    """ParametricLIFNode, dropout, and the mean squared error of rates against one-hot labels"""
    node = lambda i: neuron.ParametricLIFNode(init_tau=4.0, decay_input=False, surrogate_function=surrogate.ATan())  # noqa: E731
    return Script(
        JellyNet(
            node=node, last=lambda: node(1), between=lambda i, size: [layer.Dropout(0.3)], read=lambda out: out.mean(0)
        ),
        Melodies(),
        loss=lambda out, y: F.mse_loss(out, F.one_hot(y, CLASSES).float()),
    )


@healthy("spikingjelly", thread="fangwei123456/spikingjelly#525")
def direct_encoding() -> Script:
    """Constant analog input: the first layer encodes it as spikes"""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x.mean(1, keepdim=True) * 4).clamp(max=1).expand(-1, 12, -1), y

    return Script(JellyNet(), Melodies(), prepare=prepare)


@healthy("spikingjelly")
def batch_norm() -> Script:
    """Batch norm over time and batch before each spiking layer"""
    return Script(JellyNet(THREE, between=lambda i, size: [layer.BatchNorm1d(size)]))


@healthy("norse")
def label_smoothing() -> Script:
    """Label smoothing, SGD with momentum and a one-cycle schedule: the loss cannot approach 0"""
    net = NorseNet()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    return Script(
        net,
        Melodies(),
        loss=lambda out, y: F.cross_entropy(out, y, label_smoothing=0.2),
        optimizer=optimizer,
        schedule=torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=80),
    )


@healthy("norse")
def adaptive_and_plain() -> Script:
    """An adaptive layer followed by a plain one; gradients clipped to 1"""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(script.model.parameters(), 1.0)
        script.used.step()
        return loss

    return Script(NorseNet(THREE, lif=lambda i: norse.LSNN() if i == 0 else norse.LIF()), Melodies(), update=update)


@healthy("rockpool")
def learned_time_constants() -> Script:
    """Membrane time constants are learned with a separate learning rate"""
    net = RockpoolNet(
        THREE, neuron=lambda i, size: rockpool_lif(size, learned=("tau_mem",), tau_mem=torch.full((size,), 8e-3))
    )
    slow = [p for name, p in net.named_parameters() if "tau" in name]
    fast = [p for name, p in net.named_parameters() if "tau" not in name]
    return Script(net, optimizer=torch.optim.Adam([{"params": fast}, {"params": slow, "lr": 2e-5}], lr=LEARNING_RATE))


@healthy("hand")
def accumulated_gradients() -> Script:
    """Intended gradient accumulation over four small batches; the last batch is smaller"""
    batches_seen = [0]

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        batches_seen[0] += 1
        loss = script.loss(script.model(x), y)
        (loss / 4).backward()  # type: ignore[no-untyped-call]
        if batches_seen[0] % 4 == 0:
            script.used.step()
            script.used.zero_grad()
        return loss

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x[:20], y[:20]) if batches_seen[0] % 10 == 9 else (x, y)

    net = HandNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=6e-3)
    return Script(net, Melodies(120, batch=32), update=update, prepare=prepare, optimizer=optimizer)


@healthy("snntorch")
def graded_spikes() -> Script:
    """Graded spikes with a learned amplitude, a feature of the library"""
    return Script(SnntorchNet(neuron=lambda i: leaky(graded_spikes_factor=1.5, learn_graded_spikes_factor=True)))


@healthy("spikingjelly", thread="jeshraghian/snntorch#219")
def output_hardly_fires() -> Script:
    """A sparse output layer that is almost silent at first and becomes active"""
    return Script(JellyNet(last=lambda: lif(v_threshold=3.0)))
