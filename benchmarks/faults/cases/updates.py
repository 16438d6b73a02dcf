"""Faults of the update: gradients arrive, and the weights stay where they are."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn import functional as F

from ..case import fault, healthy
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import HandNet
from ..networks.norse import NorseNet
from ..networks.rockpool import RockpoolNet
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet
from ..script import LEARNING_RATE, Batch, Script

ACCUMULATED = 40  # batches per update


@fault("snntorch", "missing_step", thread="ClementPinard/SfmLearner-Pytorch#5")
def scheduler_in_place_of_the_optimizer(broken: bool) -> Script:
    """`scheduler.step()` where `optimizer.step()` should be: no update is made."""
    net = SnntorchNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1000)

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        if not broken:
            optimizer.step()
        return loss

    return Script(net, optimizer=optimizer, schedule=schedule, update=update)


@fault("hand", "missing_step")
def counter_that_never_counts(broken: bool) -> Script:
    """Gradients are accumulated for an update that never comes: the counter of batches is not raised."""
    batches = [0]

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        loss = script.loss(script.model(x), y) / 2
        loss.backward()  # type: ignore[no-untyped-call]
        batches[0] += 0 if broken else 1
        if batches[0] and batches[0] % 2 == 0:
            script.used.step()
            script.used.zero_grad()
        return loss

    script = Script(HandNet(), update=update)
    _ = script.used
    return script


@fault("sinabs", "missing_step", "params_not_in_optimizer")
def optimizer_of_a_copy(broken: bool) -> Script:
    """The optimizer was built with the parameters of another copy of the model."""
    net = SinabsNet()
    trained = copy.deepcopy(net) if broken else net
    return Script(net, optimizer=torch.optim.Adam(trained.parameters(), lr=LEARNING_RATE))


@fault("hand", "missing_step")
def weights_bound_to_another_name(broken: bool) -> Script:
    """Gradient descent written by hand: `p = p - rate * p.grad` makes a new tensor and leaves the weight as it is."""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for p in script.model.parameters():
                if p.grad is not None:
                    if broken:
                        _ = p - 0.5 * p.grad
                    else:
                        p -= 0.5 * p.grad
                    p.grad = None
        return loss

    return Script(HandNet(), Melodies(batches=120), update=update)


@fault("spikingjelly", "weights_put_back")
def checkpoint_restored_in_the_loop(broken: bool) -> Script:
    """The best weights so far are loaded after each update; they are those of the beginning."""
    net = JellyNet()
    best = copy.deepcopy(net.state_dict())

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        script.used.step()
        if broken:
            script.model.load_state_dict(best)
        return loss

    return Script(net, update=update)


@fault("rockpool", "weights_put_back")
def weights_rounded_after_each_update(broken: bool) -> Script:
    """Weights are rounded to a coarse grid after each update, which is smaller than half a grid step."""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        script.used.step()
        if broken:
            with torch.no_grad():
                for p in script.model.parameters():
                    p.copy_((p * 16).round() / 16)
        return loss

    return Script(RockpoolNet(), update=update)


@healthy("hand")
def gradient_descent_by_hand() -> Script:
    """No optimizer: the script subtracts the gradients itself"""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        loss = script.loss(script.model(x), y)
        script.model.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for p in script.model.parameters():
            if p.grad is not None:
                p.data -= 0.5 * p.grad
        return loss

    return Script(HandNet(), update=update)


@healthy("snntorch")
def long_accumulation() -> Script:
    """Gradients of 40 batches are added up for one update"""
    batches = [0]

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        loss = script.loss(script.model(x), y)
        (loss / ACCUMULATED).backward()  # type: ignore[no-untyped-call]
        batches[0] += 1
        if batches[0] % ACCUMULATED == 0:
            script.used.step()
            script.used.zero_grad()
        return loss

    net = SnntorchNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    return Script(net, Melodies(batches=12 * ACCUMULATED, batch=8), optimizer=optimizer, update=update)


@healthy("sinabs")
def line_search() -> Script:
    """L-BFGS: several backward passes per update"""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = script.loss(script.model(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        loss: Tensor = optimizer.step(closure)  # type: ignore[assignment, arg-type]
        return loss

    net = SinabsNet()
    optimizer = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=20)
    return Script(net, Melodies(batches=12), optimizer=optimizer, update=update)


@healthy("norse")
def saliency_before_training() -> Script:
    """Forty backward passes for saliency maps of the input, then training"""
    passes = [0]

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        saliency = passes[0] < ACCUMULATED
        passes[0] += 1
        loss = script.loss(script.model(x.requires_grad_(saliency)), y)
        loss.backward()  # type: ignore[no-untyped-call]
        if not saliency:
            script.used.step()
        return loss

    return Script(NorseNet(), Melodies(batches=120), update=update)


@healthy("hand")
def weights_of_a_function() -> Script:
    """The weights are kept beside the model and passed to it with `functional_call`"""
    net = HandNet()
    weights = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    optimizer = torch.optim.Adam(weights.values(), lr=LEARNING_RATE)

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        loss: Tensor = F.cross_entropy(torch.func.functional_call(net, weights, (x,)), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss

    def prepare(x: Tensor, y: Tensor) -> Batch:
        if not torch.is_grad_enabled():
            net.load_state_dict(weights)
        return x, y

    return Script(net, prepare=prepare, update=update)


@fault("snntorch", "lr_too_big")
def thresholds_learn_too_fast(broken: bool) -> Script:
    """Thresholds have a parameter group of their own with a learning rate of 1.5, since neurons need a larger one."""
    net = SnntorchNet((CHANNELS, 80, 80, CLASSES), neuron=lambda i: leaky(learn_threshold=True))
    thresholds = [p for name, p in net.named_parameters() if name.endswith("threshold")]
    weights = [p for name, p in net.named_parameters() if not name.endswith("threshold")]
    groups = [{"params": weights}, {"params": thresholds, "lr": 1.5 if broken else LEARNING_RATE}]
    return Script(net, optimizer=torch.optim.Adam(groups, lr=LEARNING_RATE))
