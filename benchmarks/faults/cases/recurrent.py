"""Faults in recurrent weights and in the state of recurrent neurons."""

from __future__ import annotations

import norse.torch as norse
import snntorch as snn
import torch
from rockpool.nn.modules import LIFTorch
from rockpool.parameters import Constant
from snntorch import surrogate
from spikingjelly.activation_based import functional, layer
from torch import Tensor, nn

from ..case import fault
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import Cell, HandNet, fast_sigmoid
from ..networks.norse import NorseNet
from ..networks.rockpool import DT, RockpoolNet
from ..networks.snntorch import BETA, GAIN, SnntorchNet
from ..networks.spikingjelly import lif
from ..script import Script

HIDDEN = 100


class Recurrent(nn.Module):
    """A network with one recurrent snnTorch layer, read out by its spikes."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(CHANNELS, HIDDEN), nn.Linear(HIDDEN, CLASSES)
        self.hidden = snn.RLeaky(BETA, all_to_all=True, linear_features=HIDDEN, reset_mechanism="subtract")
        with torch.no_grad():
            self.fc1.weight.mul_(GAIN)
            self.hidden.recurrent.weight.normal_(std=std)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        spikes, mem = self.hidden.reset_mem()
        total = 0
        for frame in x.unbind(1):
            spikes, mem = self.hidden(self.fc1(frame), spikes, mem)
            total = total + self.fc2(spikes)
        return total / 4


@fault(
    "snntorch", "weight_scale", "saturated_layer", "exploding_gradient", "state_explosion", thread="fzenke/spytorch#2"
)
def all_to_all_from_randn(broken: bool) -> Script:
    """RLeaky's recurrent weights are re-initialized by normal_() without a standard deviation."""
    return Script(Recurrent(1.0 if broken else 0.02))


@fault("norse", "weight_scale", "saturated_layer", "exploding_gradient", "state_explosion", thread="fzenke/spytorch#2")
def recurrent_cell_from_randn(broken: bool) -> Script:
    """LIFRecurrent's weights are replaced with torch.randn: 7 times norse's own scale."""
    cell = norse.LIFRecurrent(HIDDEN, HIDDEN)
    with torch.no_grad():
        cell.recurrent_weights.normal_(std=4.0 if broken else 0.02)
        cell.input_weights.copy_(torch.eye(HIDDEN))
    return Script(NorseNet(lif=lambda i: cell))


class StepByStep(nn.Module):
    """A spikingjelly network in step mode 's', with the loop over time in the script."""

    def __init__(self, reset_inside: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(layer.Linear(CHANNELS, HIDDEN), lif(), layer.Linear(HIDDEN, CLASSES), lif())
        self.reset_inside = reset_inside
        with torch.no_grad():
            for linear in self.layers[::2]:
                linear.weight.mul_(GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        functional.reset_net(self)
        total = 0
        for frame in x.unbind(1):
            if self.reset_inside:
                functional.reset_net(self)
            total = total + self.layers(frame)
        return total / x.shape[1] * 20


@fault("spikingjelly", "state_lost_each_step", "no_memory", thread="norse/norse#131")
def reset_inside_the_loop(broken: bool) -> Script:
    """reset_net is called inside the loop over time instead of before it."""
    return Script(StepByStep(broken), Melodies(paired=True))


class Keeps(nn.Module):
    """A neuron that stores its potential as an attribute."""

    def __init__(self, forgets: bool) -> None:
        super().__init__()
        self.forgets, self.threshold, self.decay = forgets, 1.0, 0.9
        self.mem: Tensor | None = None

    def forward(self, current: Tensor) -> Tensor:
        """Run one time step of [batch, neuron]."""
        if self.mem is None or self.forgets:
            self.mem = torch.zeros_like(current)
        mem = self.decay * self.mem + current
        spikes = fast_sigmoid(mem - self.threshold)
        self.mem = mem - self.threshold * spikes.detach()
        return spikes


class Own(nn.Module):
    """A network of two `Stateful` layers that are reset for each batch."""

    def __init__(self, forgets: bool) -> None:
        super().__init__()
        sizes = ((CHANNELS, HIDDEN), (HIDDEN, HIDDEN))
        self.linear = nn.ModuleList(nn.Linear(*size) for size in sizes)
        self.cell, self.out = nn.ModuleList(Keeps(forgets) for _ in sizes), nn.Linear(HIDDEN, CLASSES)
        with torch.no_grad():
            for linear in self.linear:
                linear.weight.mul_(GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        for cell in self.cell:
            cell.mem = None
        total = 0
        for frame in x.unbind(1):
            for linear, cell in zip(self.linear, self.cell, strict=True):
                frame = cell(linear(frame))
            total = total + self.out(frame)
        return total / 4


@fault("hand", "state_lost_each_step", "no_memory", thread="norse/norse#131")
def zeros_in_forward(broken: bool) -> Script:
    """`self.mem = torch.zeros_like(x)` in the neuron's forward(), which is called in every step."""
    return Script(Own(broken), Melodies(paired=True))


PAUSE, LONG_DECAY = 8, 0.97  # steps of noise after the melody, before the answer; a decay that bridges them


class Detaching(Cell):
    """A cell that detaches its potential at every step, against the error of a second backward pass."""

    def forward(self, current: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one time step of [batch, neuron]."""
        potential, before = state
        return super().forward(current, (potential.detach(), before))


@fault("hand", "cut_in_time")
def potential_detached_each_step(broken: bool) -> Script:
    """The neuron detaches its potential in every step; what the answer depends on comes before a pause."""
    cell = Detaching if broken else Cell
    return Script(
        HandNet(cell=lambda layer: cell(LONG_DECAY), readout=lambda currents: 4 * currents[-4:].mean(0)),
        Melodies(200, quiet=PAUSE),
    )


class DetachingLeaky(snn.Leaky):
    """`Leaky` in a loop that detaches the membrane that it passes on."""

    def forward(self, x: Tensor, mem: Tensor) -> tuple[Tensor, Tensor]:
        """Run one time step of [batch, neuron]."""
        spikes, potential = super().forward(x, mem.detach())
        return spikes, potential


@fault("snntorch", "cut_in_time")
def membrane_detached_in_the_loop(broken: bool) -> Script:
    """The time loop detaches the membranes in every step, and the last potential is read after a pause."""
    neuron = DetachingLeaky if broken else snn.Leaky
    options = {"beta": LONG_DECAY, "spike_grad": surrogate.fast_sigmoid(slope=8)}
    return Script(
        SnntorchNet(
            neuron=lambda i: neuron(**options),
            last=lambda: neuron(**options, reset_mechanism="none"),
            read=lambda spikes, potential: potential[-1],
        ),
        Melodies(300, quiet=PAUSE, paired=True),
    )


@fault("rockpool", "recurrence_runs_away", "multi_spike", "state_explosion")
def recurrence_switched_on(broken: bool) -> Script:
    """has_rec=True with its default weights, in neurons with several spikes per step: the activity feeds itself."""
    cell = LIFTorch(HIDDEN, tau_mem=8e-3, tau_syn=8e-3, bias=Constant(0.0), has_rec=True, dt=DT)
    if not broken:
        with torch.no_grad():
            cell.w_rec.mul_(0.02)
    return Script(RockpoolNet(neuron=lambda i, size: cell))
