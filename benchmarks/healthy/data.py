"""Spikes to learn from, in random sizes: each class is a few bursts, a place and a time each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BURSTS = 4
BURST_RATE, NOISE_RATE = 0.4, 0.02  # spikes per channel and step
LATEST = 2  # a sample starts up to so many steps early or late

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Bursts:
    """A stream of batches, [batch, step, channel] and labels [batch].

    Attributes:
        kind: "binary" spikes, event "counts" of a bin, or "analog": the rates of a sample over time as one frame, the
            same in every step, as where the first layer encodes.
        prior: how often each class comes.
        repeat: "never", "coded once": the first batch again and again, or "coded anew": its samples again and again.
        seed: of the stream and of the classes.
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
        """Expected spikes of each class, [class, step, channel], with `LATEST` steps more at either end."""
        score = torch.Generator().manual_seed(self.seed)
        long, wide = max(2, self.steps // 5), max(3, self.channels // 14)
        rates = torch.full((self.classes, self.steps, self.channels), NOISE_RATE)
        for own in rates:
            for _ in range(BURSTS):
                start = int(torch.randint(self.steps - long + 1, (), generator=score))
                low = int(torch.randint(self.channels - wide + 1, (), generator=score))
                own[start : start + long, low : low + wide] = BURST_RATE
        return torch.nn.functional.pad(rates, (0, 0, LATEST, LATEST), value=NOISE_RATE)

    def chosen(self, generator: torch.Generator) -> Batch:
        """What is to be encoded, rates [batch, step, channel], and the labels."""
        labels = torch.multinomial(torch.tensor(self.prior), self.batch, replacement=True, generator=generator)
        starts = torch.randint(2 * LATEST + 1, (self.batch, 1), generator=generator)
        return self.rates()[labels[:, None], starts + torch.arange(self.steps)], labels

    def encoded(self, rates: Tensor, generator: torch.Generator) -> Tensor:
        """Spikes, counts or frames of these rates."""
        if self.kind == "counts":
            return torch.poisson(rates, generator=generator)
        spikes = (torch.rand(rates.shape, generator=generator) < rates).float()
        if self.kind == "analog":
            return (spikes.mean(1, keepdim=True) * BURSTS).clamp(max=1).expand(-1, self.steps, -1)
        return spikes

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(self.seed + 1)
        rates, labels = self.chosen(generator)
        x = self.encoded(rates, generator)
        for _ in range(self.batches):
            yield x, labels
            if self.repeat == "never":
                rates, labels = self.chosen(generator)
            if self.repeat != "coded once":
                x = self.encoded(rates, generator)
