"""The diary network: three layers of integrate-and-fire neurons that do not train, and the changes that fix them.

A published debugging diary describes it: the first loss was 119,005, one neuron emitted up to 2,821 spikes in one time
step, and one output neuron 211,029 spikes for one sample. The diary tried several thresholds. Four parts of the script
make the difference; `Variant` changes each of them separately. docs/notes.md gives the measurements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
class Variant:
    """One version of the diary's script; the defaults are the script as published.

    Attributes:
        threshold: firing threshold of every neuron.
        default_init: initialize weights as torch does (RMS about 0.58 / sqrt(fan-in)) instead of N(0, 1).
        single_spike: emit at most one spike per time step instead of floor(potential / threshold).
        binary_input: set a bin to 1 if it holds any event, instead of the number of events.
        divisor: divide the summed output spikes by this before the loss.
    """

    threshold: float = 1.0
    default_init: bool = False
    single_spike: bool = False
    binary_input: bool = False
    divisor: float = 1.0

    @property
    def repaired(self) -> Variant:
        """This variant with all four parts fixed."""
        return replace(self, default_init=True, single_spike=True, binary_input=True, divisor=10.0)


class IntegrateAndFire(nn.Module):
    """Integrate-and-fire neurons without leak, reset by subtraction: [batch, time, neuron] to spikes of that shape.

    The arithmetic is that of sinabs' `IAF`; this class is used where sinabs is not installed.
    """

    level: Tensor

    def __init__(self, threshold: float, *, single_spike: bool) -> None:
        """Take the firing `threshold`, and whether at most a `single_spike` is emitted per time step."""
        super().__init__()
        self.threshold = threshold
        self.register_buffer("level", torch.tensor(threshold))
        self.single_spike = single_spike

    def forward(self, current: Tensor) -> Tensor:
        """Return the spikes for a `current`."""
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


def neurons(variant: Variant) -> nn.Module:
    """Make the neurons of a `variant`: sinabs' `IAF`, or `IntegrateAndFire` where sinabs is not installed."""
    if find_spec("sinabs") is None:
        return IntegrateAndFire(variant.threshold, single_spike=variant.single_spike)
    from sinabs.activation import MultiSpike, SingleSpike
    from sinabs.layers import IAF

    kind = SingleSpike if variant.single_spike else MultiSpike
    layer: nn.Module = IAF(spike_threshold=torch.tensor(variant.threshold), spike_fn=kind)
    return layer


class DiaryNetwork(nn.Module):
    """700 -> 256 -> 256 -> 20: frames [batch, time, channel] to logits [batch, class], the spikes summed over time.

    `variant` is the version of the script; `frames` are made by `network_input`.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.fc1, self.iaf1 = nn.Linear(CHANNELS, HIDDEN), neurons(variant)
        self.fc2, self.iaf2 = nn.Linear(HIDDEN, HIDDEN), neurons(variant)
        self.fc3, self.iaf3 = nn.Linear(HIDDEN, CLASSES), neurons(variant)
        for linear in (self.fc1, self.fc2, self.fc3):
            nn.init.zeros_(linear.bias)
            if not variant.default_init:
                nn.init.normal_(linear.weight)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits [batch, class]."""
        for layer in (self.iaf1, self.iaf2, self.iaf3):
            reset = getattr(layer, "reset_states", None)  # sinabs' neurons keep their state; IntegrateAndFire does not
            if callable(reset):
                reset()
        spikes = self.iaf1(self.fc1(frames))
        spikes = self.iaf2(self.fc2(spikes))
        spikes = self.iaf3(self.fc3(spikes))
        total: Tensor = spikes.sum(1) / self.variant.divisor
        return total


def examples(*, train: bool) -> Examples:
    """Return the packaged digits in the diary's frames: each word stretched to 100 bins, events counted per bin.

    `train` is whether they are the training words, or else the test words.

    Raises:
        SpikecheckError: the packaged set cannot be unpacked.
    """
    dataset = open_digits(None, train=train)
    to_frame = ToFrame((CHANNELS, 1, 1), n_time_bins=BINS)
    pairs = [dataset[index] for index in range(len(dataset))]
    frames = np.stack([to_frame(events) for events, _ in pairs]).squeeze(2)
    return Examples(torch.from_numpy(frames), torch.tensor([int(label) for _, label in pairs]))


def network_input(frames: Tensor, variant: Variant) -> Tensor:
    """Convert `frames` of event counts to the input for a `variant`: float counts, or 0 and 1 with `binary_input`."""
    return (frames > 0).float() if variant.binary_input else frames.float()


@dataclass(frozen=True)
class Figures:
    """What the diary printed for a network before training.

    Attributes:
        max_per_step: most spikes that one neuron of any layer emits in one time step.
        min_count: smallest sum of output spikes over time, of any sample and class.
        max_count: largest sum of output spikes over time, of any sample and class.
        loss: cross-entropy of the first forward pass.
    """

    max_per_step: float
    min_count: float
    max_count: float
    loss: float


def initial_figures(variant: Variant, batch: Examples, seed: int) -> Figures:
    """Return the figures of a `variant`, initialized with a `seed`, for one forward pass with a `batch`."""
    torch.manual_seed(seed)
    model = DiaryNetwork(variant)
    peaks: list[float] = []

    def record_peak(module: nn.Module, args: Any, spikes: Tensor) -> None:
        peaks.append(spikes.max().item())

    handles = [layer.register_forward_hook(record_peak) for layer in (model.iaf1, model.iaf2, model.iaf3)]
    with torch.no_grad():
        logits = model(network_input(batch.frames, variant))
        loss = nn.functional.cross_entropy(logits, batch.labels).item()
    for handle in handles:
        handle.remove()
    counts = logits * variant.divisor
    return Figures(max(peaks), counts.min().item(), counts.max().item(), loss)


def batches(words: Examples, variant: Variant, count: int, size: int = BATCH) -> list[tuple[Tensor, Tensor]]:
    """Return `count` shuffled batches (input, label) of `size` words, as a `variant` takes them, for a search.

    They are shuffled since the first `words` of the data set are all of one class.
    """
    order = torch.randperm(len(words), generator=torch.Generator().manual_seed(0))
    chosen = torch.split(order, size)[:count]
    return [(network_input(words.frames[indices], variant), words.labels[indices]) for indices in chosen]


def optimizer(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the diary's optimizer of `parameters`."""
    return torch.optim.Adam(parameters, lr=LEARNING_RATE)


def train_one_update(model: DiaryNetwork, batch: Examples) -> None:
    """Make one optimizer update of `model` with a `batch`, as any training script does."""
    stepper = optimizer(model.parameters())
    loss = nn.functional.cross_entropy(model(network_input(batch.frames, model.variant)), batch.labels)
    loss.backward()  # type: ignore[no-untyped-call]
    stepper.step()


def train_epochs(model: DiaryNetwork, train: Examples, test: Examples) -> Iterator[tuple[float, float]]:
    """Train `model` without end; after each epoch, yield the mean loss on `train` and the accuracy on `test`."""
    stepper = optimizer(model.parameters())
    train_input, test_input = network_input(train.frames, model.variant), network_input(test.frames, model.variant)
    while True:
        total = 0.0
        for chosen in torch.split(torch.randperm(len(train)), BATCH):
            loss = nn.functional.cross_entropy(model(train_input[chosen]), train.labels[chosen])
            stepper.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            stepper.step()
            total += loss.item() * len(chosen)
        with torch.no_grad():
            accuracy = (torch.eq(model(test_input).argmax(1), test.labels)).float().mean().item()
        yield total / len(train), accuracy
