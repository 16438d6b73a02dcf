"""Faults in the training loop."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..case import fault
from ..melodies import BATCH, CLASSES, Melodies
from ..networks.hand import HandNet
from ..networks.norse import NorseNet
from ..networks.rockpool import RockpoolNet
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet
from ..script import LEARNING_RATE, Batch, Script

CHUNK = 10  # time steps of a piece of a recording
SLOW = 0.97  # decay of a readout that remembers the piece before


@fault("rockpool", "zero_grad_missing", "grad_accumulation")
def zero_grad_without_a_call(broken: bool) -> Script:
    """`optimizer.zero_grad` without parentheses: the line does nothing."""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        _ = script.used.zero_grad if broken else script.used.zero_grad()
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        script.used.step()
        return loss

    return Script(RockpoolNet(), update=update)


@fault("sinabs", "zeroed_before_step", "no_gradient", "lr_too_small", "loss_plateau")
def look_between_backward_and_step(broken: bool) -> Script:
    """A logging function clears the gradients and is called before step()."""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        if broken:
            script.model.zero_grad()
        script.used.step()
        return loss

    return Script(SinabsNet(), update=update)


@fault("norse", "lr_too_small", "lr_collapsed", "loss_plateau")
def warm_up_in_whole_numbers(broken: bool) -> Script:
    """The warm-up uses integer division: the learning rate is 0 until its last step."""
    net = NorseNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    factor = (lambda step: step // 1000) if broken else (lambda step: min(1.0, (step + 1) / 10))
    return Script(net, optimizer=optimizer, schedule=torch.optim.lr_scheduler.LambdaLR(optimizer, factor))


@fault("hand", "lr_too_small", "frozen_params", "loss_plateau")
def weights_in_bfloat16(broken: bool) -> Script:
    """Model and optimizer in bfloat16: a change of a thousandth of a weight is rounded to 0."""
    net = HandNet()
    if broken:
        net = net.bfloat16()

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return (x.bfloat16() if broken else x), y

    optimizer = torch.optim.SGD(net.parameters(), lr=1e-5 if broken else 0.5)
    return Script(net, prepare=prepare, optimizer=optimizer, loss=lambda out, y: F.cross_entropy(out.float(), y))


@fault("snntorch", "weight_decay_too_big", "vanished_weights", "dead_layer")
def arguments_changed_places(broken: bool) -> Script:
    """AdamW(lr=1e-4, weight_decay=20): two arguments are swapped."""
    net = SnntorchNet()
    options = {"lr": 2e-3, "weight_decay": 20.0} if broken else {"lr": 2e-3, "weight_decay": 1e-4}
    return Script(net, optimizer=torch.optim.AdamW(net.parameters(), **options))


@fault("spikingjelly", "log_missing")
def likelihood_without_logarithm(broken: bool) -> Script:
    """nll_loss expects log-probabilities and gets probabilities."""

    def loss(logits: Tensor, y: Tensor) -> Tensor:
        return F.nll_loss(logits.softmax(1) if broken else logits.log_softmax(1), y)

    return Script(JellyNet(), loss=loss)


@fault("rockpool", "labels_sorted", "labels_constant", "class_imbalance")
def recordings_folder_by_folder(broken: bool) -> Script:
    """The list of files is sorted by class and read in that order."""
    data, samples_drawn = Melodies(), [0]

    def two_classes_at_most(x: Tensor, y: Tensor) -> Batch:
        if not (broken and net.training):
            return x, y
        first, samples_drawn[0] = samples_drawn[0], samples_drawn[0] + BATCH
        labels = torch.arange(first, first + BATCH) // 90 % CLASSES
        rates = data.rates()[labels][:, 2:-2]
        return torch.bernoulli(rates, generator=torch.Generator().manual_seed(first)), labels

    net = RockpoolNet()
    return Script(net, data, prepare=two_classes_at_most)


class InPieces(SnntorchNet):
    """A network that gets recordings in pieces, and keeps its potentials from one piece to the next, or resets them."""

    def __init__(self, keeps: bool) -> None:
        super().__init__(
            neuron=lambda i: leaky(init_hidden=True),
            last=lambda: leaky(init_hidden=True, output=True, reset_mechanism="none", beta=SLOW),
        )
        self.keeps = keeps

    def restart(self) -> None:
        """Begin a recording."""
        for lif in self.lif:
            lif.reset_mem()  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        """Map a piece, or a whole recording in evaluation, [batch, step, channel], to [batch, class]."""
        if not self.training:
            self.restart()
        for chunk in x.split(CHUNK, 1):
            for lif in self.lif if self.keeps else ():
                lif.detach_hidden()  # type: ignore[operator]
            if not self.keeps:
                self.restart()
            potentials = [self.lif[1](self.fc[1](self.lif[0](self.fc[0](frame))))[1] for frame in chunk.unbind(1)]
        return torch.stack(potentials).mean(0)


@fault("snntorch", "state_reset_between_pieces", thread="jeshraghian/snntorch#172")
def reset_after_each_piece(broken: bool) -> Script:
    """Truncated backpropagation: the state is reset after each piece of a recording, where it has to go on."""
    net = InPieces(keeps=not broken)

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        net.restart()
        for chunk in x.split(CHUNK, 1):
            script.used.zero_grad()
            loss = script.loss(net(chunk), y)
            loss.backward()  # type: ignore[no-untyped-call]
            script.used.step()
        return loss

    return Script(net, Melodies(quiet=2 * CHUNK), update=update)
