"""Faults of what belongs together: inputs and labels, outputs and targets, parameters and their optimizer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..case import fault, healthy
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import Cell, HandNet
from ..networks.norse import NorseNet
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet
from ..script import LEARNING_RATE, Batch, Script


@fault("spikingjelly", "input_repeated", thread="fangwei123456/spikingjelly#286")
def encoder_that_is_never_reset(broken: bool) -> Script:
    """An encoder keeps the spikes of its first batch and replays them for every other one."""
    batches: list[Tensor] = []

    def prepare(x: Tensor, y: Tensor) -> Batch:
        batches.append(x)
        return (batches[0] if broken else x), y

    return Script(JellyNet(), prepare=prepare)


@healthy("norse")
def one_batch_again_and_again() -> Script:
    """A single batch with its labels is learned by heart, to see whether the network can learn"""
    batches: list[Batch] = []

    def prepare(x: Tensor, y: Tensor) -> Batch:
        batches.append((x, y))
        return batches[0]

    return Script(NorseNet(), prepare=prepare)


@fault("hand", "target_invalid")
def binary_targets_of_five(broken: bool) -> Script:
    """Binary cross-entropy with a target of 5 for the right class."""
    high = 5.0 if broken else 1.0
    loss = lambda out, y: F.binary_cross_entropy_with_logits(out, high * F.one_hot(y, CLASSES).float())  # noqa: E731
    return Script(HandNet(), loss=loss)


@fault("hand", "loss_broadcast")
def column_against_row(broken: bool) -> Script:
    """Squared differences of outputs [n, 1] and targets [n], written by hand: all pairs are compared."""
    angle = lambda y: (y * math.tau / CLASSES).sin()  # noqa: E731

    def loss(out: Tensor, y: Tensor) -> Tensor:
        return ((out - angle(y)) ** 2).mean() if broken else ((out.squeeze(1) - angle(y)) ** 2).mean()

    return Script(
        HandNet((CHANNELS, 100, 1)),
        loss=loss,
        score=lambda out, y: float(1 - F.mse_loss(out.squeeze(1), angle(y)) / 0.5),
    )


@fault("hand", "loss_broadcast")
def one_target_for_two_outputs(broken: bool) -> Script:
    """Sine and cosine of an angle are to be learned, and the target holds the sine alone, [n, 1]."""

    def target(y: Tensor) -> Tensor:
        angle = y * math.tau / CLASSES
        return torch.stack([angle.sin(), angle.cos()], 1)

    return Script(
        HandNet((CHANNELS, 100, 2)),
        loss=lambda out, y: F.mse_loss(out, target(y)[:, :1] if broken else target(y)),
        score=lambda out, y: float(1 - F.mse_loss(out, target(y)) / 0.5),
    )


@fault("sinabs", "softmax_axis", "double_softmax")
def softmax_over_the_batch(broken: bool) -> Script:
    """A softmax along axis 0, which is the batch, and a likelihood of its logarithm."""
    return Script(SinabsNet(), loss=lambda out, y: F.nll_loss(out.log_softmax(0 if broken else 1), y))


@fault("snntorch", "neuron_parameter_unlearned", "params_not_in_optimizer")
def decays_outside_the_optimizer(broken: bool) -> Script:
    """The optimizer is given the weights of the linear layers; learned decays are left out."""
    net = SnntorchNet(neuron=lambda i: leaky(learn_beta=True))
    held = [p for p in net.parameters() if p.dim() > 1] if broken else list(net.parameters())
    return Script(net, optimizer=torch.optim.Adam(held, lr=LEARNING_RATE))


@fault("hand", "neuron_parameter_unlearned", "no_gradient", thread="fangwei123456/spikingjelly#371")
def threshold_as_a_number(broken: bool) -> Script:
    """A learnable threshold is passed to the neurons with `.item()`, which cuts it off from the loss."""
    threshold = nn.Parameter(torch.tensor(0.9))
    net = HandNet(cell=lambda i: Cell(threshold=threshold.item() if broken else threshold))
    net.v_threshold = threshold
    return Script(net, Melodies())
