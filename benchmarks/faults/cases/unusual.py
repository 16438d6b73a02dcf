"""Unusual ways to train that work: local rules, rewards, first spikes, state that is kept, learning rates that rise."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..case import healthy
from ..melodies import CHANNELS, CLASSES, NOISE_RATE, NOTE_RATE, STEPS, STREAM_SEED, Melodies
from ..networks.hand import Cell, HandNet, averaged
from ..networks.norse import NorseNet
from ..networks.rockpool import RockpoolNet
from ..networks.sinabs import SinabsNet
from ..networks.snntorch import SnntorchNet
from ..networks.spikingjelly import JellyNet
from ..script import LEARNING_RATE, Batch, Script, run
from .neurons import StatefulNet

THREE = (CHANNELS, 80, 80, CLASSES)
CHUNK = 10  # time steps of one update
WARM_UP = 60  # updates
PRETRAINING = 60  # batches
SHORTEST, LONGEST = 30, 90  # time steps of a sound


@healthy("spikingjelly")
def first_spikes() -> Script:
    """The class is that of the output neuron that fires first: a spike counts the more, the earlier it is"""

    def read(spikes: Tensor) -> Tensor:
        first = spikes * (spikes.cumsum(0) <= 1)
        earliness = 1 - torch.arange(STEPS)[:, None, None] / STEPS
        return 10 * (first * earliness).sum(0)

    return Script(JellyNet(read=read), Melodies(batches=120))


class Local(nn.Module):
    """Two layers that learn apart: each has a readout of its own, and passes on spikes without a gradient."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (CHANNELS, 100, 100)
        self.fc = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.cell = nn.ModuleList(Cell() for _ in self.fc)
        self.readout = nn.ModuleList(nn.Linear(size, CLASSES) for size in sizes[1:])
        with torch.no_grad():
            for linear in self.fc:
                linear.weight.mul_(3)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, step, channel] to [layer, batch, class]."""
        outputs = []
        for fc, cell, readout in zip(self.fc, self.cell, self.readout, strict=True):
            state, spikes, currents = (x.new_zeros(len(x), 100),) * 2, [], []
            for frame in x.unbind(1):
                spike, state = cell(fc(frame), state)
                spikes.append(spike)
                currents.append(readout(spike))
            outputs.append(averaged(torch.stack(currents)))
            x = torch.stack(spikes, 1).detach()
        return torch.stack(outputs)


@healthy("hand")
def local_losses() -> Script:
    """Local learning: each layer has a loss of its own, and no gradient passes between layers"""

    def each(outputs: Tensor, y: Tensor) -> Tensor:
        return torch.stack([F.cross_entropy(output, y) for output in outputs]).sum()

    return Script(Local(), loss=each, score=lambda outputs, y: float((outputs[-1].argmax(-1) == y).float().mean()))


class Eligible(nn.Module):
    """A layer of neurons and a readout whose gradients are computed forward in time, by eligibility traces."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.cell, self.readout = nn.Linear(CHANNELS, 100), Cell(), nn.Linear(100, CLASSES)
        self.feedback = torch.randn(CLASSES, 100) / 10
        with torch.no_grad():
            self.fc.weight.mul_(3)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Map [batch, step, channel] to [batch, class]; with labels, accumulate gradients."""
        state = (x.new_zeros(len(x), 100),) * 2
        inputs, filtered, outputs = torch.zeros_like(x[:, 0]), x.new_zeros(len(x), 100), []
        for frame in x.unbind(1):
            before = state[0]
            spikes, state = self.cell(self.fc(frame), state)
            inputs, filtered = 0.85 * inputs + frame, 0.85 * filtered + spikes
            outputs.append(self.readout(filtered) / 4)
            if y is not None:
                slope = 1 / (1 + 8 * (0.85 * before + self.fc(frame) - 1).abs()) ** 2
                error = (outputs[-1].softmax(-1) - F.one_hot(y, CLASSES)) / len(x) / STEPS
                local = error @ self.feedback * slope
                for parameter, gradient in (
                    (self.fc.weight, local.T @ inputs),
                    (self.fc.bias, local.sum(0)),
                    (self.readout.weight, error.T @ filtered),
                    (self.readout.bias, error.sum(0)),
                ):
                    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return torch.stack(outputs).mean(0)


@healthy("hand")
def eligibility_traces() -> Script:
    """e-prop: gradients are made by traces and random feedback, forward in time, without a backward pass"""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        script.used.zero_grad()
        with torch.no_grad():
            logits = script.model(x, y)
        script.used.step()
        return F.cross_entropy(logits, y)

    return Script(Eligible(), update=update)


@healthy("sinabs")
def warm_up_from_zero() -> Script:
    """The learning rate begins at 0 and rises for half of the run"""
    net = SinabsNet(THREE)
    optimizer = torch.optim.Adam(net.parameters(), lr=2 * LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1, n / WARM_UP))
    return Script(net, Melodies(batches=2 * WARM_UP), optimizer=optimizer, schedule=schedule)


@healthy("norse")
def one_cycle_to_a_high_rate() -> Script:
    """OneCycleLR: the learning rate rises to 25 times its first value, and falls to almost 0"""
    net = NorseNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=160)
    return Script(net, Melodies(batches=160), optimizer=optimizer, schedule=schedule)


@healthy("snntorch")
def bfloat16() -> Script:
    """Forward passes in bfloat16, under autocast"""

    class Half(SnntorchNet):
        def forward(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return super().forward(x).float()

    return Script(Half(THREE))


class Streaming(HandNet):
    """A network that goes on from the state of the chunk before."""

    def __init__(self) -> None:
        super().__init__(THREE)
        self.states: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Map a chunk [batch, step, channel] to [batch, class]."""
        states = self.states or [(x.new_zeros(len(x), 80),) * 2 for _ in self.cell]
        currents = []
        for signal in x.unbind(1):
            for layer, cell in enumerate(self.cell):
                signal, states[layer] = cell(self.linear[layer](signal), states[layer])
            currents.append(self.linear[-1](signal))
        self.states = [tuple(part.detach() for part in state) for state in states]  # type: ignore[misc]
        return averaged(torch.stack(currents))


@healthy("hand")
def update_after_each_chunk() -> Script:
    """Truncated backpropagation: an update after each quarter of a sequence, whose state the next one goes on from"""
    net = Streaming()

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        net.states = []
        for chunk in x.split(CHUNK, 1):
            script.used.zero_grad()
            loss = script.loss(net(chunk), y)
            loss.backward()  # type: ignore[no-untyped-call]
            script.used.step()
        net.states = []
        return loss

    return Script(net, update=update)


@healthy("snntorch")
def frozen_extractor() -> Script:
    """A layer that was trained on other data is frozen, and a new readout is trained"""
    trained = SnntorchNet()
    run(Script(trained, Melodies(batches=PRETRAINING)))
    net = SnntorchNet()
    net.fc[0] = copy.deepcopy(trained.fc[0]).requires_grad_(False)
    return Script(net.train(), Melodies(seed=50))


@healthy("rockpool")
def layer_wise_rates() -> Script:
    """Each layer has a third of the learning rate of the next one"""
    net = RockpoolNet(THREE)
    groups = [
        {"params": list(linear.parameters()), "lr": 2 * LEARNING_RATE / 3**depth}
        for depth, linear in enumerate(reversed(net.fc))
    ]
    return Script(net, optimizer=torch.optim.Adam(groups))


@healthy("spikingjelly")
def rewarded_guesses() -> Script:
    """REINFORCE: the network draws a class and gets a reward of 1 where it is right"""
    average = [0.0]

    def policy(logits: Tensor, y: Tensor) -> Tensor:
        drawn = torch.distributions.Categorical(logits=logits)
        action = drawn.sample()
        reward = (action == y).float()
        advantage = reward - average[0]
        average[0] = 0.9 * average[0] + 0.1 * float(reward.mean())
        return -(drawn.log_prob(action) * advantage).mean() - 0.01 * drawn.entropy().mean()

    net = JellyNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=2 * LEARNING_RATE)
    return Script(net, Melodies(batches=300), loss=policy, optimizer=optimizer)


class Adaptive(Cell):
    """A cell whose threshold rises with each of its spikes."""

    def forward(self, current: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run one time step; the state is the potential and the adaptation."""
        potential = self.decay * state[0] + current
        spikes = self.spike(potential - self.threshold - 0.3 * state[1])
        return spikes, (potential - spikes.detach() * self.threshold, 0.9 * state[1] + spikes)


@healthy("hand")
def adaptation_beside_the_potential() -> Script:
    """Hand-written adaptation: a trace of the spikes, which grows with each of them"""
    return Script(HandNet(THREE, cell=lambda i: Adaptive()))


@healthy("norse")
def random_projection_in_front() -> Script:
    """A random projection encodes the input before the model is called, and no optimizer holds it"""
    projection = nn.Linear(CHANNELS, 100)

    def prepare(x: Tensor, y: Tensor) -> Batch:
        return projection(x), y

    return Script(NorseNet((100, 100, CLASSES)), prepare=prepare)


class Recordings(Melodies):
    """One endless recording per row: a batch is the next piece of all of them, labeled with the sound at its end."""

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(STREAM_SEED + self.seed)
        of_channel = torch.arange(self.channels) * CLASSES // self.channels
        sound, left = torch.zeros(self.batch, dtype=torch.int64), torch.zeros(self.batch, dtype=torch.int64)
        for _ in range(self.batches):
            frames = []
            for _ in range(STEPS):
                over = left == 0
                sound = torch.where(over, torch.randint(CLASSES, sound.shape, generator=generator), sound)
                left = torch.where(over, torch.randint(SHORTEST, LONGEST, left.shape, generator=generator), left - 1)
                rate = torch.where(of_channel == sound[:, None], NOTE_RATE, NOISE_RATE)
                frames.append((torch.rand(rate.shape, generator=generator) < rate).float())
            yield torch.stack(frames, 1), sound


@healthy("hand")
def endless_recordings() -> Script:
    """The state is detached and never reset, because each batch continues the one before"""
    return Script(StatefulNet(reset=False, detach=True), Recordings())


@healthy("spikingjelly")
def several_views_of_each_batch() -> Script:
    """Each batch is used four times in a row, each time with other spikes left out"""

    def update(script: Script, x: Tensor, y: Tensor) -> Tensor:
        for _ in range(4):
            script.used.zero_grad()
            loss = script.loss(script.model(x * (torch.rand_like(x) < 0.8)), y)
            loss.backward()  # type: ignore[no-untyped-call]
            script.used.step()
        return loss

    return Script(JellyNet(), update=update)
