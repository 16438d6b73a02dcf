"""The network that did not train: three linear layers with integrate-and-fire neurons, and what heals it.

It began with somebody's notes: a loss of 119,005 at the start, up to 2821 spikes of one neuron in one step, 211,029
in one sample. They had a threshold for every symptom. Four settings make the difference, and each can be changed by
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from tonic.transforms import ToFrame
from torch import Tensor, nn

from spikecheck.faults.multi_spike import FloorSpikes
from spikecheck.reference.frames import CHANNELS, Examples
from spikecheck.reference.shd import open_digits

HIDDEN, CLASSES, BINS = 256, 20, 100
BATCH = 32
LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class Setting:
    """What the notes' script does, and for each part what it could do instead.

    Attributes:
        threshold: of every neuron.
        ordinary_weights: torch's own initialisation, about 0.58 / sqrt(fan-in), instead of N(0, 1).
        single_spike: at most one spike a step, instead of floor(potential / threshold).
        binary_input: 1 where a bin holds any event, instead of the number of events.
        divisor: what the summed output spikes are divided by before they go into the loss.
    """

    threshold: float = 1.0
    ordinary_weights: bool = False
    single_spike: bool = False
    binary_input: bool = False
    divisor: float = 1.0

    @property
    def healed(self) -> Setting:
        """The same network with every part put right."""
        return replace(self, ordinary_weights=True, single_spike=True, binary_input=True, divisor=10.0)


class IntegrateAndFire(nn.Module):
    """Neurons without leak, [batch, time, neuron] to spikes of the same shape, reset by subtraction.

    The arithmetic of sinabs' `IAF`; used where sinabs is not installed.
    """

    level: Tensor

    def __init__(self, threshold: float, *, single_spike: bool) -> None:
        super().__init__()
        self.threshold = threshold
        self.register_buffer("level", torch.tensor(threshold))
        self.single_spike = single_spike

    def forward(self, current: Tensor) -> Tensor:
        """Run all steps."""
        potential = torch.zeros_like(current[:, 0])
        spikes = []
        for step in current.unbind(1):
            potential = potential + step
            fired: Tensor = FloorSpikes.apply(potential, self.level)  # type: ignore[no-untyped-call]
            if self.single_spike:
                fired = fired.clamp(max=1)
            potential = potential - fired * self.threshold
            spikes.append(fired)
        return torch.stack(spikes, 1)


def neurons(setting: Setting) -> nn.Module:
    """A layer of sinabs' integrate-and-fire neurons, or of our own with the same arithmetic."""
    if find_spec("sinabs") is None:
        return IntegrateAndFire(setting.threshold, single_spike=setting.single_spike)
    from sinabs.activation import MultiSpike, SingleSpike
    from sinabs.layers import IAF

    kind = SingleSpike if setting.single_spike else MultiSpike
    layer: nn.Module = IAF(spike_threshold=torch.tensor(setting.threshold), spike_fn=kind)
    return layer


class Patient(nn.Module):
    """700 -> 256 -> 256 -> 20, spikes summed over time as logits; frames [batch, time, channel] in."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting = setting
        self.fc1, self.iaf1 = nn.Linear(CHANNELS, HIDDEN), neurons(setting)
        self.fc2, self.iaf2 = nn.Linear(HIDDEN, HIDDEN), neurons(setting)
        self.fc3, self.iaf3 = nn.Linear(HIDDEN, CLASSES), neurons(setting)
        for linear in (self.fc1, self.fc2, self.fc3):
            nn.init.zeros_(linear.bias)
            if not setting.ordinary_weights:
                nn.init.normal_(linear.weight)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits [batch, class]."""
        for layer in (self.iaf1, self.iaf2, self.iaf3):
            reset = getattr(layer, "reset_states", None)  # sinabs' neurons remember; ours start anew
            if callable(reset):
                reset()
        spikes = self.iaf1(self.fc1(frames))
        spikes = self.iaf2(self.fc2(spikes))
        spikes = self.iaf3(self.fc3(spikes))
        total: Tensor = spikes.sum(1) / self.setting.divisor
        return total


def words(*, train: bool) -> Examples:
    """The packed digits as the notes made frames: every word stretched to 100 bins, events counted."""
    dataset = open_digits(None, train=train)
    to_frame = ToFrame((CHANNELS, 1, 1), n_time_bins=BINS)
    pairs = [dataset[index] for index in range(len(dataset))]
    frames = np.stack([to_frame(events) for events, _ in pairs]).squeeze(2)
    return Examples(torch.from_numpy(frames), torch.tensor([int(label) for _, label in pairs]))


def given(frames: Tensor, setting: Setting) -> Tensor:
    """The frames as the network gets them."""
    return (frames > 0).float() if setting.binary_input else frames.float()


@dataclass(frozen=True)
class Figures:
    """What the notes printed: the most spikes of one neuron in one step, the range of summed counts, the first loss."""

    per_step: float
    least: float
    most: float
    loss: float


def examine(setting: Setting, batch: Examples, seed: int) -> Figures:
    """One forward pass of a fresh network."""
    torch.manual_seed(seed)
    model = Patient(setting)
    peaks: list[float] = []

    def peak(module: nn.Module, args: Any, spikes: Tensor) -> None:
        peaks.append(spikes.max().item())

    handles = [layer.register_forward_hook(peak) for layer in (model.iaf1, model.iaf2, model.iaf3)]
    with torch.no_grad():
        logits = model(given(batch.frames, setting))
        loss = nn.functional.cross_entropy(logits, batch.labels).item()
    for handle in handles:
        handle.remove()
    counts = logits * setting.divisor
    return Figures(max(peaks), counts.min().item(), counts.max().item(), loss)


def first_update(model: Patient, batch: Examples) -> None:
    """One step of training, as any script does it."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    loss = nn.functional.cross_entropy(model(given(batch.frames, model.setting)), batch.labels)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def learn(model: Patient, train: Examples, test: Examples) -> Iterator[tuple[float, float]]:
    """Train for ever; after each epoch, mean loss of the training words and accuracy on the other speakers' words."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    frames, heard = given(train.frames, model.setting), given(test.frames, model.setting)
    while True:
        total = 0.0
        for chosen in torch.split(torch.randperm(len(train)), BATCH):
            loss = nn.functional.cross_entropy(model(frames[chosen]), train.labels[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(chosen)
        with torch.no_grad():
            hits = (torch.eq(model(heard).argmax(1), test.labels)).float().mean().item()
        yield total / len(train), hits
