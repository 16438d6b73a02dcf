"""Faults in labels, loss and readout."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..case import fault
from ..causes import EXPERIMENT
from ..melodies import CHANNELS, CLASSES, STEPS, Melodies
from ..networks.hand import HandNet, integrated
from ..networks.norse import NorseNet
from ..networks.sinabs import SinabsNet, lif
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet
from ..script import Script


@fault("spikingjelly", "double_softmax")
def probabilities_into_the_loss(broken: bool) -> Script:
    """The model ends with a softmax, and cross-entropy applies another."""
    return Script(JellyNet(read=lambda out: (out.mean(0) * 20).softmax(-1) if broken else out.mean(0) * 20))


@fault("snntorch", "log_missing", "double_softmax")
def likelihood_of_probabilities(broken: bool) -> Script:
    """nll_loss gets the softmax instead of its logarithm."""
    last = torch.softmax if broken else torch.log_softmax
    return Script(SnntorchNet(read=lambda spikes, v: last(v.mean(0), -1)), loss=F.nll_loss)


@fault("snntorch", "softmax_axis")
def time_steps_compete(broken: bool) -> Script:
    """Log-probabilities of [step, batch, class] are normalized along axis 0, which is time, and averaged over it."""
    over = 0 if broken else -1
    return Script(SnntorchNet(read=lambda spikes, v: v.log_softmax(over).mean(0)), loss=F.nll_loss)


@fault("sinabs", "labels_shuffled", "label_noise", "loss_plateau", "constant_prediction")
def uneven_labels_of_other_samples(broken: bool) -> Script:
    """Half of the labels are of one class, and all labels are shuffled: the network learns the class frequencies."""
    return Script(
        SinabsNet(),
        Melodies(160),
        prepare=lambda x, y: (x, torch.where(y < CLASSES // 2, 0, y)),
        relabel=lambda y: y[torch.randperm(len(y))] if broken else y,
    )


@fault("norse", "label_noise", "labels_shuffled", "loss_plateau", noted=EXPERIMENT)
def labels_of_other_samples(broken: bool) -> Script:
    """Inputs and labels are shuffled independently."""
    return Script(NorseNet(), relabel=lambda y: y[torch.randperm(len(y))] if broken else y)


@fault("sinabs", "labels_constant", "class_imbalance")
def labels_divided_away(broken: bool) -> Script:
    """An integer division meant for file numbers makes every label 0."""
    return Script(SinabsNet(), relabel=lambda y: y // CLASSES if broken else y)


@fault("hand", "labels_sorted", "labels_constant", "class_imbalance")
def sorted_by_class(broken: bool) -> Script:
    """The loader does not shuffle data sorted by class: each batch contains one class."""
    data = Melodies()
    batches_drawn = [0]

    def one_class(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if not broken or not net.training:
            return x, y
        label = batches_drawn[0] // 4 % CLASSES
        batches_drawn[0] += 1
        generator = torch.Generator().manual_seed(batches_drawn[0])
        rates = data.rates()[torch.full((len(y),), label)][:, 2:-2]
        return (torch.rand(rates.shape, generator=generator) < rates).float(), torch.full_like(y, label)

    net = HandNet()
    return Script(net, data, prepare=one_class)


@fault("norse", "label_out_of_range")
def labels_from_one(broken: bool) -> Script:
    """Labels start at 1: the last class has no logit."""
    return Script(NorseNet(), relabel=lambda y: y + 1 if broken else y)


@fault("snntorch", "logit_scale", "state_explosion", thread="jeshraghian/snntorch#66")
def potentials_summed(broken: bool) -> Script:
    """Logits sum a potential without leak and reset: they reach hundreds."""
    last = lambda: leaky(beta=1.0 if broken else 0.9, reset_mechanism="none")  # noqa: E731
    return Script(SnntorchNet(last=last, read=lambda s, v: v.sum(0) if broken else v.mean(0)))


@fault("spikingjelly", "rate_target_unreachable", thread="bamsumit/slayerPytorch#60")
def target_above_the_steps(broken: bool) -> Script:
    """The target for the correct class is 60 spikes in 40 steps."""

    def count_loss(counts: Tensor, y: Tensor) -> Tensor:
        wanted = 60.0 if broken else 0.6 * STEPS
        target = torch.full_like(counts, 4.0).scatter(1, y[:, None], wanted)
        return F.mse_loss(counts, target)

    return Script(JellyNet(read=lambda out: out.sum(0)), loss=count_loss)


@fault("sinabs", "readout_last_step", "silent_output", thread="jeshraghian/snntorch#33")
def last_step_alone(broken: bool) -> Script:
    """Logits are the spikes of the last step, long after the end of the sound."""
    read = lambda out: out[:, -1] if broken else out.mean(1) * 20  # noqa: E731
    return Script(SinabsNet(last=lambda: lif(), read=read), Melodies(quiet=12))


@fault("snntorch", "constant_prediction", "class_imbalance", thread="jeshraghian/snntorch#361")
def always_class_three(broken: bool) -> Script:
    """Nine of ten labels are overwritten with a default value."""

    def overwritten(y: Tensor) -> Tensor:
        return torch.where(torch.rand(len(y)) < 0.95, torch.full_like(y, 3), y) if broken else y

    return Script(SnntorchNet((CHANNELS, 80, CLASSES)), relabel=overwritten)


@fault("snntorch", "class_weights_inverted")
def weights_of_frequent_classes(broken: bool) -> Script:
    """Four of five labels are background, and the class weights are the shares of the classes, not their inverse."""
    background = 4
    shares = torch.tensor([*[1 / CLASSES] * background, 1 - background / CLASSES])
    weights = shares if broken else 1 / shares

    def balanced(logits: Tensor, y: Tensor) -> float:
        right = logits.argmax(1) == y
        return float(torch.stack([right[y == label].float().mean() for label in y.unique()]).mean())

    return Script(
        SnntorchNet((CHANNELS, 100, background + 1)),
        Melodies(160),
        loss=lambda logits, y: F.cross_entropy(logits, y, weight=weights),
        prepare=lambda x, y: (x, y.clamp(max=background)),
        score=balanced,
    )


@fault("snntorch", "loss_maximized")
def minus_sign_of_a_reward(broken: bool) -> Script:
    """The loss keeps the minus sign that the reward had before."""
    sign = -1 if broken else 1
    return Script(SnntorchNet(), Melodies(160), loss=lambda logits, y: sign * F.cross_entropy(logits, y))


@fault("snntorch", "summed_batch")
def sum_over_the_batch(broken: bool) -> Script:
    """The potentials of [step, batch, class] are averaged over axis 1, with as many samples as steps."""
    over = 1 if broken else 0
    return Script(SnntorchNet(read=lambda spikes, v: v.mean(over)), Melodies(batch=STEPS))


@fault("snntorch", "output_reset", thread="jeshraghian/snntorch#298")
def potential_that_is_reset(broken: bool) -> Script:
    """A potential has to follow the activity of the input, 2 on average, and its neuron is reset at 1."""

    def traced(x: Tensor) -> Tensor:
        activity = integrated(x.mean(2).T)
        return 2 * activity / activity.mean()

    def explained(out: Tensor, targets: Tensor) -> float:
        return float(1 - (out - targets).square().mean() / targets.var())

    net = SnntorchNet(
        (CHANNELS, 100, 1),
        last=lambda: leaky(reset_mechanism="zero" if broken else "none"),
        read=lambda spikes, v: v[:, :, 0],
    )
    return Script(net, loss=F.mse_loss, prepare=lambda x, y: (x, traced(x)), score=explained)
