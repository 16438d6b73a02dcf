"""Faults in gradients and the optimizer."""

from __future__ import annotations

from collections.abc import Callable

import norse.torch as norse
import torch
from sinabs.activation import Heaviside
from snntorch import surrogate
from spikingjelly.activation_based.surrogate import ATan
from torch import Tensor, nn

from ..case import fault
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import Cell, HandNet, fast_sigmoid
from ..networks.norse import NorseNet, parameters
from ..networks.rockpool import RockpoolNet
from ..networks.rockpool import lif as rockpool_lif
from ..networks.sinabs import SinabsNet
from ..networks.sinabs import lif as sinabs_lif
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet, lif
from ..script import LEARNING_RATE, Script, as_it_is, ordinary

THREE, FOUR = (CHANNELS, 80, 80, CLASSES), (CHANNELS, 80, 80, 80, CLASSES)


@fault("hand", "surrogate_missing", "no_gradient", thread="jeshraghian/snntorch#33")
def bare_comparison(broken: bool) -> Script:
    """The second hidden layer spikes by a plain comparison, without surrogate gradient: earlier layers do not learn."""

    def spike(layer: int) -> Callable[[Tensor], Tensor]:
        return (lambda distance: (distance > 0).float()) if broken and layer == 1 else fast_sigmoid

    return Script(HandNet(THREE, cell=lambda layer: Cell(spike=spike(layer))))


@fault("sinabs", "surrogate_missing", "no_gradient", "surrogate_too_steep")
def heaviside_as_surrogate(broken: bool) -> Script:
    """The surrogate gradient is 0 over the whole range of the potential."""
    surrogate_fn = {"surrogate_grad_fn": Heaviside(window=-8.0)} if broken else {}
    return Script(SinabsNet(THREE, neuron=lambda layer: sinabs_lif(**surrogate_fn)))


@fault("spikingjelly", "detached_graph", "no_gradient", "surrogate_missing")
def hidden_detached(broken: bool) -> Script:
    """Hidden spikes are detached for recording, and the detached tensor is passed on."""

    class Recorded(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.detach() if broken else x

    return Script(JellyNet(THREE, between=lambda i, size: [Recorded()] if i == 1 else []))


@fault("norse", "detached_graph", "no_gradient", "surrogate_missing")
def first_layer_without_graph(broken: bool) -> Script:
    """A leftover torch.no_grad() from a test surrounds the first layer."""
    net = NorseNet(THREE, gain=12.0)
    if broken:
        net.layers[0].forward = torch.no_grad()(net.layers[0].forward)
    return Script(net)


@fault("snntorch", "surrogate_too_steep", "vanishing_gradient", thread="fzenke/spytorch#3")
def slope_of_two_thousand(broken: bool) -> Script:
    """A surrogate gradient so narrow that few potentials are inside it, in four layers."""
    slope = 2000 if broken else 8
    return Script(SnntorchNet(FOUR, neuron=lambda i: leaky(spike_grad=surrogate.fast_sigmoid(slope=slope))))


@fault("norse", "surrogate_too_steep", "vanishing_gradient")
def width_of_another_surrogate(broken: bool) -> Script:
    """The surrogate gradient is that of tanh, with alpha=100 as for SuperSpike: it is 0 at 0.03 from the threshold."""
    fast = parameters(tau_mem_inv=400.0, tau_syn_inv=600.0, v_th=0.5, alpha=100.0 if broken else 1.0)
    neurons = fast._replace(method="tanh")
    net = NorseNet(FOUR, lif=lambda i: norse.LIF(neurons), read=lambda out: out.mean(0) * 4, gain=5.0)
    with torch.no_grad():
        net.layers[-2].weight.mul_(5)
    return Script(net)


@fault("spikingjelly", "surrogate_too_steep", "exploding_gradient", thread="fzenke/spytorch#2")
def peak_of_thousands(broken: bool) -> Script:
    """ATan(alpha=3000): the derivative at the threshold is alpha / 2, and gradients explode with depth."""
    alpha = 3000.0 if broken else 2.0
    return Script(JellyNet(FOUR, node=lambda i: lif(surrogate_function=ATan(alpha=alpha))))


@fault("norse", "lr_too_big", "loss_diverged", "exploding_weights")
def rate_for_plain_descent(broken: bool) -> Script:
    """Adam with a learning rate of 1, copied from a script with SGD."""
    net = NorseNet()
    return Script(net, optimizer=torch.optim.Adam(net.parameters(), lr=1.0 if broken else LEARNING_RATE))


@fault("rockpool", "lr_too_small", "loss_plateau", thread="fangwei123456/spikingjelly#216")
def rate_of_a_fine_tuning(broken: bool) -> Script:
    """Adam with a learning rate of 10^-7, suited to fine-tuning, trains a new network."""
    net = RockpoolNet()
    return Script(net, optimizer=torch.optim.Adam(net.parameters(), lr=1e-7 if broken else LEARNING_RATE))


@fault("sinabs", "params_not_in_optimizer", "frozen_params")
def optimizer_of_the_old_layer(broken: bool) -> Script:
    """The first layer was replaced after the optimizer was made."""
    net = SinabsNet()
    new = nn.Linear(CHANNELS, 100)
    nn.init.uniform_(new.weight, -0.17, 0.17)
    if not broken:
        net.layers[0] = new
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    net.layers[0] = new
    return Script(net, optimizer=optimizer)


@fault("spikingjelly", "weight_decay_too_big", "vanished_weights", "dead_layer")
def decay_of_one(broken: bool) -> Script:
    """weight_decay=1 in Adam outweighs the loss: every weight shrinks"""
    net = JellyNet()
    return Script(net, optimizer=torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1.0 if broken else 0.0))


@fault("hand", "random_features")
def checkpoint_of_a_wrapped_model(broken: bool) -> Script:
    """The keys of a checkpoint begin with `module.`, so nothing is loaded; then the hidden layers are frozen."""
    prefix = "module." if broken else ""
    trained, net = HandNet(THREE), HandNet(THREE, gain=0.15)
    net.load_state_dict({f"{prefix}{name}": value for name, value in trained.state_dict().items()}, strict=False)
    for linear in list(net.linear)[:-1]:
        linear.requires_grad_(False)
    return Script(net, Melodies(batches=160))


@fault("hand", "weight_decay_too_big")
def decay_of_another_recipe(broken: bool) -> Script:
    """A weight_decay that suited AdamW is given to Adam, where it is part of the gradient and outweighs the rest."""
    net = HandNet(THREE)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, weight_decay=0.5 if broken else 1e-5)
    return Script(net, Melodies(batches=160), optimizer=optimizer)


@fault("hand", "epsilon_rounds_to_0")
def adam_in_half_precision(broken: bool) -> Script:
    """Parameters and Adam's moments are float16, where its eps of 1e-8 is 0: a small gradient gives 0 / 0."""
    net = HandNet(THREE, readout=lambda currents: currents.float().mean(0))
    prepare = (lambda x, y: (x.half(), y)) if broken else as_it_is
    return Script(net.half() if broken else net, prepare=prepare)


@fault("rockpool", "neuron_parameter_spoiled")
def time_constants_in_the_group_of_the_weights(broken: bool) -> Script:
    """Time constants of milliseconds, in seconds, are trained at the rate of the weights: one update spends them."""
    net = RockpoolNet(neuron=lambda i, size: rockpool_lif(size, learned=("tau_mem", "tau_syn")))
    own = [p for name, p in net.named_parameters() if "tau" in name]
    other = [p for name, p in net.named_parameters() if "tau" not in name]
    groups = [{"params": other}, {"params": own, "lr": 8.1e-3 if broken else 1e-5}]
    return Script(net, optimizer=torch.optim.Adam(groups, lr=8.1e-3 if broken else LEARNING_RATE))


@fault("hand", "zero_grad_missing", "grad_accumulation")
def gradients_pile_up(broken: bool) -> Script:
    """zero_grad() is missing: each update uses the sum of all gradients so far."""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        if not broken:
            return ordinary(script, x, y)
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        script.used.step()
        return loss

    net = HandNet()
    return Script(net, optimizer=torch.optim.SGD(net.parameters(), lr=0.5), update=update)


@fault("snntorch", "zeroed_before_step", "lr_too_small", "no_gradient", "loss_plateau")
def zeroed_before_the_step(broken: bool) -> Script:
    """zero_grad() is called between backward() and step(): every gradient is 0 at the update."""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        if broken:
            script.used.zero_grad(set_to_none=False)
        script.used.step()
        script.used.zero_grad()
        return loss

    return Script(SnntorchNet(), update=update)


@fault("sinabs", "gradient_clipped_away", "lr_too_small", "loss_plateau")
def clipped_to_nothing(broken: bool) -> Script:
    """Gradients are clipped to a norm of 0.0001 before plain SGD."""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(script.model.parameters(), 1e-4 if broken else 1.0)
        script.used.step()
        return loss

    net = SinabsNet()
    return Script(net, optimizer=torch.optim.SGD(net.parameters(), lr=1.0), update=update)


@fault("norse", "lr_collapsed", "lr_too_small", "loss_plateau")
def schedule_of_epochs(broken: bool) -> Script:
    """A schedule meant for epochs is stepped once per update: the learning rate halves each time."""
    net = NorseNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    gamma = 0.5 if broken else 0.99
    return Script(net, optimizer=optimizer, schedule=torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma))
