"""Values that leave their range: learned thresholds and decays, encoders, logits, penalties; weights left random."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..case import fault
from ..melodies import CHANNELS, CLASSES
from ..networks.hand import Cell, HandNet
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet
from ..script import LEARNING_RATE, Batch, Script

POPULATION = 200  # output neurons, ten per class
DARKEST, BRIGHTEST = 30, 255


@fault("hand", "input_saturated", "input_scale", "missing_time_axis")
def gray_values_as_probabilities(broken: bool) -> Script:
    """Gray values from 30 to 255 are the probabilities of a rate code: each pixel fires in every time step."""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        gray = (DARKEST + (BRIGHTEST - DARKEST) * x.mean(1, keepdim=True)).round()
        probability = gray if broken else gray / BRIGHTEST
        return (torch.rand_like(x) < probability).to(x.dtype), y

    return Script(HandNet(), prepare=prepare)


@fault("snntorch", "population_misread", "readout_last_step")
def population_without_its_sum(broken: bool) -> Script:
    """200 output neurons, ten per class, are given to the loss as 200 classes."""

    def read(spikes: Tensor, potential: Tensor) -> Tensor:
        rates = 2 * spikes.mean(0)
        return rates if broken else 10 * rates.unflatten(1, (CLASSES, -1)).sum(2)

    return Script(SnntorchNet((CHANNELS, 100, POPULATION), last=leaky, read=read))


@fault("spikingjelly", "logits_tiny", "loss_plateau")
def rates_in_kilohertz(broken: bool) -> Script:
    """Firing rates are converted to kilohertz for a plot, and the converted ones are the logits."""
    return Script(JellyNet(read=lambda out: out.mean(0) * (1e-3 if broken else 20)))


@fault("sinabs", "loss_term_dominates", "weight_decay_too_big")
def penalty_on_all_weights(broken: bool) -> Script:
    """A penalty on weights is a sum with a factor that was meant for a mean."""
    net = SinabsNet()

    def penalized(logits: Tensor, y: Tensor) -> Tensor:
        squares = sum((p.square().sum() for p in net.parameters()), torch.zeros(()))
        return F.cross_entropy(logits, y) + (5.0 if broken else 1e-5) * squares

    return Script(net, loss=penalized)


@fault("hand", "random_features", noted=("SPK417",))
def backbone_that_was_not_loaded(broken: bool) -> Script:
    """A pretrained first layer is loaded with strict=False and frozen; no key fits, so it stays random."""
    net = HandNet(cell=lambda i: Cell(threshold=0.35), gain=1.0)
    other = {f"module.{name}": value for name, value in net.state_dict().items()}
    net.load_state_dict(other, strict=False)
    if broken:
        net.linear[0].requires_grad_(False)
    return Script(net)


def learned(name: str, start: float, reward: float, allowed: tuple[float, float] | None) -> Script:
    """Return a script that learns one parameter of each cell, faster than the weights, and rewards large values."""
    parameters = [nn.Parameter(torch.tensor(start)) for _ in range(2)]
    net = HandNet((CHANNELS, 80, 80, CLASSES), cell=lambda i: Learned(name, parameters[i], allowed))
    weights = list(net.linear.parameters())
    groups = [{"params": weights, "lr": LEARNING_RATE}, {"params": parameters, "lr": 10 * LEARNING_RATE}]

    def rewarded(logits: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(logits, y) - reward * torch.stack(parameters).sum()

    return Script(net, optimizer=torch.optim.Adam(groups), loss=rewarded)


class Learned(Cell):
    """A cell with a learned threshold or decay, which may be kept in its range."""

    def __init__(self, name: str, value: nn.Parameter, allowed: tuple[float, float] | None) -> None:
        super().__init__()
        self.name, self.value, self.allowed = name, value, allowed
        setattr(self, name, value)

    def forward(self, current: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one time step."""
        if self.allowed is not None:
            self.value.data.clamp_(*self.allowed)
        return super().forward(current, state)


@fault("hand", "threshold_too_low", "neuron_parameter_out_of_range")
def threshold_below_zero(broken: bool) -> Script:
    """A term that rewards activity lowers learned thresholds, and nothing keeps them above 0."""
    return learned("threshold", 0.3, reward=-1.0, allowed=None if broken else (0.2, 3.0))


@fault("hand", "decay_out_of_range", "neuron_parameter_out_of_range", "state_explosion")
def decay_above_one(broken: bool) -> Script:
    """A term that rewards slow neurons raises learned decays, and nothing keeps them below 1."""
    return learned("decay", 0.8, reward=1.0, allowed=None if broken else (0.0, 0.9))


@fault("hand", "target_distant")
def targets_in_other_units(broken: bool) -> Script:
    """The output is compared with an angle in tenths of a degree, from 1,000 to 2,800, and nothing standardizes it."""
    middle, deviation = 1900.0, 900.0

    def target(y: Tensor) -> Tensor:
        tenths = middle + deviation * torch.stack([(y * math.tau / CLASSES).sin(), (y * math.tau / CLASSES).cos()], -1)
        return tenths if broken else (tenths - middle) / deviation

    def explained(output: Tensor, y: Tensor) -> float:
        return float(1 - F.mse_loss(output, target(y)) / target(y).var())

    net = HandNet((CHANNELS, 100, 2))
    return Script(net, loss=lambda output, y: F.mse_loss(output, target(y)), score=explained)
