"""Faults in training mode, normalization and number formats."""

from __future__ import annotations

import torch
from snntorch import surrogate
from spikingjelly.activation_based import layer
from spikingjelly.activation_based.surrogate import ATan
from torch import Tensor, nn
from torch.nn import functional as F

from ..case import fault
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import HandNet, integrated
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet, lif
from ..script import Batch, Script

THREE = (CHANNELS, 80, 80, CLASSES)


@fault("snntorch", "dropout_too_high", "dropout_per_step")
def probability_to_keep(broken: bool) -> Script:
    """Dropout(0.97): the probability was meant to be that of keeping a value."""
    return Script(SnntorchNet(THREE, between=lambda i, size: nn.Dropout(0.97 if broken else 0.03)))


@fault("hand", "eval_mode", "train_eval_gap", thread="fangwei123456/spikingjelly#559")
def still_in_eval(broken: bool) -> Script:
    """model.eval() of the first validation is never undone: batch norm keeps its initial statistics."""
    net = HandNet(THREE, gain=0.2)
    net.before_cell = nn.ModuleList(nn.BatchNorm1d(80) for _ in range(2))
    return Script(net, begin=nn.Module.eval if broken else nn.Module.train)


@fault("spikingjelly", "eval_mode", "train_eval_gap", thread="fangwei123456/spikingjelly#157")
def training_in_eval(broken: bool) -> Script:
    """The training loop runs in eval mode."""
    net = JellyNet(THREE, between=lambda i, size: [layer.BatchNorm1d(size)], gain=0.5)
    return Script(net, begin=nn.Module.eval if broken else nn.Module.train)


class PerStep(nn.Module):
    """One batch norm for all time steps, called step by step, or with separate statistics per step."""

    def __init__(self, size: int, shared: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm1d(size, momentum=0.5) for _ in range(1 if shared else 40))
        self.step = 0

    def forward(self, x: Tensor) -> Tensor:
        """Normalize [batch, neuron] of the next time step."""
        norm = self.norms[self.step % len(self.norms)]
        self.step = (self.step + 1) % 40
        return norm(x)


@fault("snntorch", "batchnorm_time", "train_eval_gap", thread="fangwei123456/spikingjelly#559")
def batch_norm_a_step(broken: bool) -> Script:
    """One batch norm is called per time step: in eval mode it normalizes with the statistics of the last steps."""
    return Script(SnntorchNet(THREE, between=lambda i, size: PerStep(size, shared=broken)), Melodies(quiet=14))


@fault("hand", "nan_origin")
def share_of_no_spikes(broken: bool) -> Script:
    """Inputs are divided by their sum in each time step; a silent step is 0 / 0."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        x = x.clone()
        x[:, ::10] = 0
        total = x.sum(-1, keepdim=True)
        return x / (total if broken else total.clamp(min=1)) * 3, y

    return Script(HandNet(THREE), prepare=prepare)


@fault("spikingjelly", "nan_origin")
def logarithm_of_rates(broken: bool) -> Script:
    """nll_loss of the logarithm of firing rates, one of which is 0."""

    def read(out: Tensor) -> Tensor:
        rate = out.mean(0) + (0.0 if broken else 0.01)
        return (rate / rate.sum(-1, keepdim=True)).log()

    return Script(JellyNet(read=read), loss=F.nll_loss)


@fault("snntorch", "nan_origin", "surrogate_overflow", "nan_gradient", thread="jeshraghian/snntorch#427")
def sigmoid_overflows(broken: bool) -> Script:
    """exp(-slope * x) of the sigmoid surrogate overflows far below the threshold: NaN in the backward pass."""
    slope = 60 if broken else 5
    return Script(SnntorchNet(THREE, neuron=lambda i: leaky(spike_grad=surrogate.sigmoid(slope=slope))))


@fault("hand", "fp16_overflow", "nan_origin", thread="motional/nuplan-devkit#91")
def half_precision_sum(broken: bool) -> Script:
    """float16 currents are summed over inputs in millivolts: above 65,504 they become inf."""

    def readout(currents: Tensor) -> Tensor:
        millivolts = integrated(currents) * 1000
        return ((millivolts.half() if broken else millivolts).sum(0) / 40).float() / 1000

    return Script(HandNet(readout=readout))


@fault("spikingjelly", "evaluation_input")
def test_data_scaled_twice(broken: bool) -> Script:
    """The loader of the test data divides by 255 what is from 0 to 1 already."""
    net = JellyNet()
    return Script(net, prepare=lambda x, y: (x / 255 if broken and not net.training else x, y))


@fault("hand", "evaluation_input")
def normalized_in_training_alone(broken: bool) -> Script:
    """Values from 0 to 255 are normalized in training; the transform of the test data is without it."""
    net = HandNet()

    def prepare(x: Tensor, y: Tensor) -> Batch:
        pixels = 255 * x
        return (pixels if broken and not net.training else (pixels - 15) / 60, y)

    return Script(net, prepare=prepare)


class OwnNorm(nn.Module):
    """A batch norm over time steps and samples with statistics of its own, as papers publish it with their code."""

    def __init__(self, size: int, momentum: float) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))
        self.register_buffer("mu", torch.zeros(size))
        self.register_buffer("var", torch.ones(size))
        self.momentum = momentum

    def forward(self, x: Tensor) -> Tensor:
        """Normalize [step, batch, neuron]."""
        rows = F.batch_norm(
            x.flatten(0, 1), self.mu, self.var, self.scale, self.shift, training=self.training, momentum=self.momentum
        )
        return rows.view_as(x)


@fault("spikingjelly", "evaluation_gap", thread="thiswinex/STBP-simple#9")
def statistics_that_stay(broken: bool) -> Script:
    """A hand-written batch norm passes momentum 0 on: evaluation normalizes with mean 0 and variance 1."""
    momentum = 0.0 if broken else 0.1
    return Script(JellyNet(THREE, between=lambda i, size: [OwnNorm(size, momentum)], gain=0.1))


@fault("spikingjelly", "smooth_spikes")
def smooth_surrogate(broken: bool) -> Script:
    """The surrogate functions are left in their smooth form in training; the test uses spikes."""
    surrogates = [ATan(alpha=1.0) for _ in range(2)]
    net = JellyNet(
        node=lambda i: lif(surrogate_function=surrogates[0]), last=lambda: lif(surrogate_function=surrogates[1])
    )

    def prepare(x: Tensor, y: Tensor) -> Batch:
        for one in surrogates:
            one.spiking = not (broken and net.training)
        return x, y

    return Script(net, prepare=prepare)


@fault("spikingjelly", "training_mode")
def stream_in_training_mode(broken: bool) -> Script:
    """Recordings are classified one by one as they come in, and nobody called model.eval()."""
    net = JellyNet(THREE, between=lambda i, size: [layer.BatchNorm1d(size)], gain=0.5)
    return Script(net, begin_test=nn.Module.train if broken else nn.Module.eval, test_batch=1)
