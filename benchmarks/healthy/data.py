"""Synthetic spikes of random sizes: each class is a few bursts, each at its own channels and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BURSTS = 4
BURST_RATE, NOISE_RATE = 0.4, 0.02  # spikes per channel and step
LATEST = 2  # maximum shift of a sample in steps, early or late

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Bursts:
    """A stream of batches, [batch, step, channel] and labels [batch].

    Attributes:
        kind: "binary" spikes, event "counts" per bin, or "analog": one constant frame of rates, for networks whose
            first layer encodes.
        prior: frequency of each class.
        repeat: "never"; "coded once": repeat the first batch; "recoded": repeat its samples with new spikes.
        seed: random seed of the stream and of the classes.
    """

    classes: int
    channels: int
    steps: int
    batch: int
    batches: int
    kind: str
    prior: tuple[float, ...]
    repeat: str
    seed: int

    def rates(self) -> Tensor:
        """Return the expected spikes per class, [class, step, channel], padded by `LATEST` steps at both ends."""
        score = torch.Generator().manual_seed(self.seed)
        long, wide = max(2, self.steps // 5), max(3, self.channels // 14)
        rates = torch.full((self.classes, self.steps, self.channels), NOISE_RATE)
        for own in rates:
            for _ in range(BURSTS):
                start = int(torch.randint(self.steps - long + 1, (), generator=score))
                low = int(torch.randint(self.channels - wide + 1, (), generator=score))
                own[start : start + long, low : low + wide] = BURST_RATE
        return torch.nn.functional.pad(rates, (0, 0, LATEST, LATEST), value=NOISE_RATE)

    def draw_samples(self, generator: torch.Generator) -> Batch:
        """Draw the samples of a batch: rates [batch, step, channel] and labels."""
        labels = torch.multinomial(torch.tensor(self.prior), self.batch, replacement=True, generator=generator)
        starts = torch.randint(2 * LATEST + 1, (self.batch, 1), generator=generator)
        return self.rates()[labels[:, None], starts + torch.arange(self.steps)], labels

    def encode(self, rates: Tensor, generator: torch.Generator) -> Tensor:
        """Encode rates as spikes, counts or analog frames."""
        if self.kind == "counts":
            return torch.poisson(rates, generator=generator)
        spikes = (torch.rand(rates.shape, generator=generator) < rates).float()
        if self.kind == "analog":
            return (spikes.mean(1, keepdim=True) * BURSTS).clamp(max=1).expand(-1, self.steps, -1)
        return spikes

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(self.seed + 1)
        rates, labels = self.draw_samples(generator)
        x = self.encode(rates, generator)
        for _ in range(self.batches):
            yield x, labels
            if self.repeat == "never":
                rates, labels = self.draw_samples(generator)
            if self.repeat != "coded once":
                x = self.encode(rates, generator)
