"""Faults that begin in the middle of a run, or that are in one part of a network while the rest of it is healthy."""

from __future__ import annotations

import itertools

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor, nn
from torch.nn import functional as F

from ..case import fault
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import Cell, HandNet
from ..networks.norse import NorseNet
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet
from ..script import LEARNING_RATE, Script, ordinary, right

THREE = (CHANNELS, 80, 80, CLASSES)
JUMP = 60  # update from which a schedule multiplies the learning rate
TINY = 1e-9


def integrate_and_fire(_: int = 0) -> nn.Module:
    """Return `IFNode`, which has no leak and does not scale its input."""
    return neuron.IFNode(v_reset=None, surrogate_function=surrogate.ATan())  # type: ignore[no-any-return]


@fault("spikingjelly", "lr_too_big", "loss_diverged")
def rate_that_silences_the_readout(broken: bool) -> Script:
    """Adam with a learning rate of 0.1: output neurons that fired at first hardly do so any more"""

    def squared(rates: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(rates, F.one_hot(y, CLASSES).float())

    net = JellyNet(THREE, node=integrate_and_fire, last=integrate_and_fire, read=lambda out: out.mean(0))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1 if broken else LEARNING_RATE)
    return Script(net, Melodies(batches=160), optimizer=optimizer, loss=squared)


def jumping(net: nn.Module, factor: float, broken: bool, batches: int = 120) -> Script:
    """Return a script whose schedule multiplies the learning rate by a factor from an update on."""
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: factor if broken and n >= JUMP else 1.0)
    return Script(net, Melodies(batches=batches), optimizer=optimizer, schedule=schedule)


@fault("snntorch", "lr_too_big", "loss_diverged")
def schedule_that_jumps_to_thirty(broken: bool) -> Script:
    """A schedule has a warm-up in the wrong unit: from update 60 on, the learning rate is 30"""
    return jumping(SnntorchNet(), 30 / LEARNING_RATE, broken)


@fault("hand", "lr_too_big", "loss_diverged")
def schedule_that_jumps_to_one(broken: bool) -> Script:
    """After the first epoch, a schedule returns its factor, 1, where the learning rate is meant"""
    return jumping(HandNet(THREE), 1 / LEARNING_RATE, broken)


@fault("norse", "lr_too_big", "loss_diverged")
def schedule_that_grows(broken: bool) -> Script:
    """ExponentialLR(gamma=1.1) in place of 0.99: the learning rate grows by 10% in each update"""
    net = NorseNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    gamma = 1.1 if broken else 0.99
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    return Script(net, Melodies(batches=120), optimizer=optimizer, schedule=schedule)


class WrongReset(Cell):
    """A cell that is reset in another way: `where_silent` resets the neurons that did not spike."""

    def __init__(self, *, where_silent: bool = False, sign: float = 1.0, to_zero: bool = False) -> None:
        super().__init__()
        self.where_silent, self.sign, self.to_zero = where_silent, sign, to_zero

    def forward(self, current: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one time step."""
        potential = self.decay * state[0] + current
        spikes = self.spike(potential - self.threshold)
        reset = 1 - spikes.detach() if self.where_silent else spikes.detach()
        if self.to_zero:
            return spikes, (potential * (1 - reset), spikes)
        return spikes, (potential - self.sign * reset * self.threshold, spikes)


@fault("hand", "no_reset_membrane", "saturated_layer", "state_explosion", "no_memory", "state_lost_each_step")
def reset_of_neurons_that_did_not_spike(broken: bool) -> Script:
    """`potential * spikes` where `potential * (1 - spikes)` is meant: a neuron is reset where it did not spike"""
    return Script(HandNet(THREE, cell=lambda i: WrongReset(where_silent=broken, to_zero=True)))


@fault("hand", "no_reset_membrane", "saturated_layer", "state_explosion")
def reset_that_is_added(broken: bool) -> Script:
    """`potential + spikes * threshold` where minus is meant: a neuron that spiked once spikes in every time step"""
    return Script(HandNet(THREE, cell=lambda i: WrongReset(sign=-1.0 if broken else 1.0)))


class Literal(Cell):
    """A cell whose decay is a number in its code, as in the loop of a script."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.update = lambda potential, current: factor * potential + current
        del self.decay

    def forward(self, current: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one time step."""
        potential = self.update(state[0], current)
        spikes = self.spike(potential - self.threshold)
        return spikes, (potential - spikes.detach() * self.threshold, spikes)


@fault("hand", "decay_out_of_range", "state_explosion", "decay_wrong")
def growth_in_place_of_leak(broken: bool) -> Script:
    """1.2 * potential, as a number in the code, where 0.8 is meant"""
    return Script(HandNet(THREE, cell=lambda i: Literal(1.2 if broken else 0.8)))


def grouped(net: nn.Module, slow: str, broken: bool) -> Script:
    """Return a script in which the parameters whose names end so have a tiny learning rate."""
    chosen = [p for name, p in net.named_parameters() if f".{name}".endswith(slow)]
    other = [p for name, p in net.named_parameters() if not f".{name}".endswith(slow)]
    groups = [{"params": other}, {"params": chosen, "lr": TINY if broken else LEARNING_RATE}]
    return Script(net, optimizer=torch.optim.Adam(groups, lr=LEARNING_RATE))


@fault("hand", "lr_too_small", "params_not_in_optimizer", "frozen_params")
def tiny_rate_of_the_readout(broken: bool) -> Script:
    """The readout has a parameter group of its own, whose learning rate is 1e-9"""
    return grouped(HandNet(THREE), "linear.2.weight", broken)


@fault("snntorch", "lr_too_small", "params_not_in_optimizer", "frozen_params")
def tiny_rate_of_the_first_layer(broken: bool) -> Script:
    """The first layer has a parameter group of its own, whose learning rate is 1e-9"""
    return grouped(SnntorchNet(THREE), "fc.0.weight", broken)


@fault("snntorch", "lr_too_small", "neuron_parameter_unlearned")
def tiny_rate_of_the_decays(broken: bool) -> Script:
    """Learned decays have a parameter group of their own, whose learning rate is 1e-9"""
    return grouped(SnntorchNet(THREE, neuron=lambda i: leaky(learn_beta=True)), ".beta", broken)


@fault("spikingjelly", "lr_too_small", "neuron_parameter_unlearned")
def tiny_rate_of_the_time_constants(broken: bool) -> Script:
    """ParametricLIFNode's time constants have a parameter group of their own, whose learning rate is 1e-9"""
    node = lambda i: neuron.ParametricLIFNode(init_tau=4.0, decay_input=False, surrogate_function=surrogate.ATan())  # noqa: E731
    return grouped(JellyNet(THREE, node=node), ".w", broken)


@fault("sinabs", "lr_too_small", "params_not_in_optimizer", "frozen_params")
def tiny_rate_of_all_weights(broken: bool) -> Script:
    """Biases have a learning rate of their own, as in a fine-tuning; that of the weights is 1e-9"""
    return grouped(SinabsNet(THREE), ".weight", broken)


class Listed(HandNet):
    """A network whose first layer is in a Python list beside the modules."""

    def __init__(self) -> None:
        super().__init__((100, 80, CLASSES))
        self.first = [nn.Linear(CHANNELS, 100)]

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [batch, class]."""
        return super().forward((2 * self.first[0](x)).relu())


@fault("hand", "params_not_in_optimizer")
def layer_in_a_python_list(broken: bool) -> Script:
    """The first layer is in a Python list: the optimizer does not have its weights"""
    net = Listed()
    held = [*net.parameters(), *([] if broken else net.first[0].parameters())]
    return Script(net, optimizer=torch.optim.Adam(held, lr=LEARNING_RATE))


@fault("hand", "params_not_in_optimizer")
def head_replaced_while_training(broken: bool) -> Script:
    """After 60 updates, the head is replaced by one for more classes; the optimizer still holds the first one."""
    net, updates = HandNet(THREE), itertools.count()

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        if next(updates) == JUMP:
            net.linear[-1] = nn.Linear(THREE[-2], 2 * CLASSES)
            if not broken:
                script.optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
        return ordinary(script, x, y)

    return Script(net, Melodies(batches=180), update=update)


@fault("hand", "lr_collapsed")
def plateau_of_a_rising_accuracy(broken: bool) -> Script:
    """ReduceLROnPlateau is given the accuracy, and takes every rise for a plateau: its mode is 'min'."""
    net = HandNet(THREE)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    mode = "min" if broken else "max"
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, patience=5)

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        loss = ordinary(script, x, y)
        with torch.no_grad():
            schedule.step(right(net(x), y))
        return loss

    return Script(net, Melodies(batches=120), optimizer=optimizer, update=update)
