"""Mistakes of kinds that public reports describe, first written for other networks, before any check was looked at."""

from __future__ import annotations

import norse.torch as norse
import torch
from snntorch import surrogate, utils
from spikingjelly.activation_based import neuron
from torch import Tensor, nn
from torch.nn import functional as F

from ..case import fault
from ..melodies import CHANNELS, CLASSES, Melodies
from ..networks.hand import Cell, HandNet, fast_sigmoid
from ..networks.norse import NorseNet, parameters
from ..networks.rockpool import RockpoolNet
from ..networks.snntorch import SnntorchNet, leaky
from ..networks.spikingjelly import JellyNet, lif
from ..script import LEARNING_RATE, Batch, Script

EVALUATION = 20  # updates between two evaluations
HEIGHT = 30.0  # of a surrogate derivative that is not normalized
HOT_CHANNEL, HOT_COUNT = 17, 300.0


@fault("snntorch", "evaluation_gap", "train_eval_gap", thread="fangwei123456/spikingjelly#157")
def running_statistics_that_stay(broken: bool) -> Script:
    """BatchNorm1d(momentum=0): its running statistics never move, and evaluation uses them."""
    net = SnntorchNet(between=lambda i, size: nn.BatchNorm1d(size, momentum=0.0 if broken else 0.1))
    updates = [0]
    with torch.no_grad():
        net.fc[0].bias.add_(5.0)

    def begin(model: nn.Module) -> None:
        updates[0] += 1
        if updates[0] % EVALUATION == 0:
            model.eval()
            with torch.no_grad():
                for x, _ in Melodies(seed=updates[0]).held_out(2):
                    model(x)
        model.train()

    return Script(net, begin=begin)


class ResetInGraph(Cell):
    """A cell whose reset is part of the graph, with a surrogate derivative of any height."""

    def __init__(self, height: float) -> None:
        super().__init__()
        self.height = height

    def forward(self, current: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one time step of [batch, neuron]."""
        potential = self.decay * state[0] + current
        smooth = self.height * fast_sigmoid(potential - self.threshold)
        spikes = smooth + (smooth / self.height - smooth).detach()
        return spikes, (potential - spikes * self.threshold, spikes)


@fault("hand", "exploding_gradient", "surrogate_too_steep", "lr_too_big", thread="fzenke/spytorch#3")
def surrogate_derivative_of_thirty(broken: bool) -> Script:
    """The surrogate derivative has a height of 30, and the gradient passes through the reset in each time step."""
    net = HandNet((CHANNELS, 80, 80, CLASSES), cell=lambda i: ResetInGraph(HEIGHT if broken else 1.0))
    return Script(net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))


@fault("norse", "time_constant_units", "threshold_too_high", "dead_layer")
def time_constant_for_its_inverse(broken: bool) -> Script:
    """`tau_mem_inv` is given the time constant, 0.01, where its inverse is meant, 100"""
    return Script(NorseNet(lif=lambda i: norse.LIF(parameters(tau_mem_inv=0.01 if broken else 100.0))))


@fault("snntorch", "rate_target_unreachable", thread="jeshraghian/snntorch#98")
def standardized_targets_for_rates(broken: bool) -> Script:
    """The targets of a regression are standardized, and the output is a firing rate, which is never negative"""

    def read(spikes: Tensor, potential: Tensor) -> Tensor:
        return spikes.mean((0, 2))

    def centroid(x: Tensor) -> Tensor:
        return (x.mean(1) * torch.linspace(0, 1, CHANNELS)).sum(1) / x.mean(1).sum(1)

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return x, (centroid(x) - 0.5) / 0.07 if broken else 0.3 + 2 * (centroid(x) - 0.5)

    def explained(out: Tensor, targets: Tensor) -> float:
        return float(1 - (out - targets).square().mean() / targets.var())

    net = SnntorchNet((CHANNELS, 100, 10), last=leaky, read=read)
    return Script(net, loss=F.mse_loss, prepare=prepare, score=explained)


@fault("hand", "empty_input", thread="neuromorphs/tonic#313")
def window_after_the_end(broken: bool) -> Script:
    """The window of every second recording begins after its end: such samples have no event"""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        if broken:
            x[::2] = 0
        return x, y

    return Script(HandNet(), prepare=prepare)


@fault("snntorch", "empty_input", "silent_channels", "dead_layer")
def gray_values_as_integers(broken: bool) -> Script:
    """Gray values from 0 to 1 are cast to integers before the rate code: all become 0"""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        gray = x.mean(1, keepdim=True).clamp(max=0.99)
        return (torch.rand_like(x) < (gray.to(torch.uint8) if broken else 2 * gray)).to(x.dtype), y

    return Script(SnntorchNet(), prepare=prepare)


@fault("spikingjelly", "neuron_parameter_unlearned", "missing_step")
def second_optimizer_without_a_step(broken: bool) -> Script:
    """Learned time constants have an optimizer of their own, whose step() is missing"""
    node = lambda: neuron.ParametricLIFNode(init_tau=5.0, decay_input=False)  # noqa: E731
    net = JellyNet(node=lambda i: node(), last=node)
    taus = [p for p in net.parameters() if p.dim() == 0]
    weights = [p for p in net.parameters() if p.dim() > 0]
    optimizers = [torch.optim.Adam(group, lr=LEARNING_RATE) for group in (weights, taus)]

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = script.loss(script.model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers[: 1 if broken else 2]:
            optimizer.step()
        return loss

    return Script(net, update=update)


def by_step(net: nn.Module, x: Tensor, *, reset_each: bool = False) -> Tensor:
    """Call a network of snntorch neurons that keep their state once per time step."""
    utils.reset(net)
    potentials = []
    for step in x.unbind(1):
        if reset_each:
            utils.reset(net)
        potentials.append(net(step)[-1])
    return torch.stack(potentials).mean(0)


@fault("snntorch", "state_lost_each_step", "single_time_step")
def reset_in_the_loop_of_the_script(broken: bool) -> Script:
    """`utils.reset(net)` is inside the script's loop over time instead of before it"""
    hidden = {"init_hidden": True, "spike_grad": surrogate.fast_sigmoid(slope=8)}
    net = nn.Sequential(
        nn.Linear(CHANNELS, 100), leaky(**hidden), nn.Linear(100, CLASSES), leaky(**hidden, output=True)
    )

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        loss = script.loss(by_step(net, x, reset_each=broken), y)
        loss.backward()  # type: ignore[no-untyped-call]
        script.used.step()
        return loss

    return Script(net, update=update, score=lambda out, y: float("nan"))


@fault("hand", "graph_reused")
def losses_added_up(broken: bool) -> Script:
    """`total += loss` and `total.backward()`: the graph of the batch before is part of the total"""
    total = [torch.zeros(())]

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        loss = script.loss(script.model(x), y)
        total[0] = total[0] + (loss if broken else loss.detach())
        (total[0] if broken else loss).backward()  # type: ignore[no-untyped-call]
        script.used.step()
        return loss

    return Script(HandNet(), update=update)


@fault("rockpool", "count_input", "input_scale")
def hot_pixel(broken: bool) -> Script:
    """A defective pixel has hundreds of events in each time step, beside ordinary channels"""

    def prepare(x: Tensor, y: Tensor) -> Batch:
        if broken:
            x[:, :, HOT_CHANNEL] = torch.poisson(torch.full(x.shape[:2], HOT_COUNT))
        return x, y

    return Script(RockpoolNet(), prepare=prepare)


@fault("spikingjelly", "no_gradient", "frozen_params")
def hidden_layer_left_out(broken: bool) -> Script:
    """The readout gets the spikes of the first hidden layer: the second one is computed and not used"""

    class Net(JellyNet):
        def forward(self, x: Tensor) -> Tensor:
            """Map [batch, step, channel] to [batch, class]."""
            first, second, last = self.layers[:2], self.layers[2:4], self.layers[4:]
            for node in self.layers:
                if isinstance(node, neuron.BaseNode):
                    node.reset()
            spikes = first(x.transpose(0, 1))
            more = second(spikes)
            return self.read(last(spikes if broken else more))

    return Script(Net((CHANNELS, 80, 80, CLASSES), node=lambda i: lif()))


@fault("snntorch", "missing_time_axis", "single_time_step", "loss_plateau")
def first_frame_in_every_step(broken: bool) -> Script:
    """`x[:, 0]` instead of `x[:, t]` in the loop: each time step gets the first frame"""

    class Net(SnntorchNet):
        def forward(self, x: Tensor) -> Tensor:
            """Map [batch, step, channel] to [batch, class]."""
            states = [self.lif[0].init_leaky(), self.lif[1].init_leaky()]  # type: ignore[operator]
            potentials = []
            for step in range(x.shape[1]):
                spikes, states[0] = self.lif[0](self.fc[0](x[:, 0 if broken else step]), states[0])
                _, states[1] = self.lif[1](self.fc[1](spikes), states[1])
                potentials.append(states[1])
            return torch.stack(potentials).mean(0)

    return Script(Net())


@fault("spikingjelly", "labels_constant", "constant_prediction")
def one_hot_targets_of_one_class(broken: bool) -> Script:
    """An integer division makes every one-hot target of a squared error the first class"""

    def squared(rates: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(rates, F.one_hot(y // CLASSES if broken else y, CLASSES).float())

    return Script(JellyNet(read=lambda out: out.mean(0)), loss=squared)
