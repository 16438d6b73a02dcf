"""Synthetic spike trains: each class is a melody of four notes, each at its own channels and time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

CHANNELS, STEPS, CLASSES, BATCH = 140, 40, 20, 64
NOTES, NOTE_STEPS, NOTE_CHANNELS = 4, 8, 10  # a note is 8 steps on 10 adjacent channels, at one of 14 positions
NOTE_RATE, NOISE_RATE = 0.35, 0.02  # spikes per channel and step
LATEST = 2  # maximum shift of a sample in steps, early or late
SCORE_SEED, STREAM_SEED, TEST_SEED = 7, 1000, 1


@dataclass(frozen=True)
class Melodies:
    """A stream of batches that never repeats a sample, so nothing can be memorized.

    Attributes:
        batches: number of batches, hence of the script's updates.
        counts: if not 0, draw event counts instead of 0 and 1, with the rates multiplied by this.
        quiet: number of steps at the end that contain only noise.
        paired: every second class is the time-reversed previous one, so only timing distinguishes them.
        channels: number of input channels.
        batch: samples per batch.
        seed: random seed of the stream; the classes do not depend on it.
    """

    batches: int = 80
    counts: float = 0.0
    quiet: int = 0
    paired: bool = False
    channels: int = CHANNELS
    batch: int = BATCH
    seed: int = 0

    def rates(self) -> Tensor:
        """Return the expected spikes per class, [class, step, channel], padded by `LATEST` steps at both ends."""
        score = torch.Generator().manual_seed(SCORE_SEED)
        last_start = STEPS - self.quiet - NOTE_STEPS
        rates = torch.full((CLASSES, STEPS, self.channels), NOISE_RATE)
        for own in rates:
            for _ in range(NOTES):
                start = int(torch.randint(last_start + 1, (), generator=score))
                low = NOTE_CHANNELS * int(torch.randint(self.channels // NOTE_CHANNELS, (), generator=score))
                own[start : start + NOTE_STEPS, low : low + NOTE_CHANNELS] = NOTE_RATE
        if self.paired:
            rates[1::2] = rates[::2].flip(1)
        return torch.nn.functional.pad(rates, (0, 0, LATEST, LATEST), value=NOISE_RATE)

    def draw(self, rates: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw one batch: spikes [batch, step, channel] and labels [batch]."""
        labels = torch.randint(CLASSES, (self.batch,), generator=generator)
        starts = torch.randint(2 * LATEST + 1, (self.batch, 1), generator=generator)
        rate = rates[labels[:, None], starts + torch.arange(STEPS)]
        if self.counts:
            return torch.poisson(rate * self.counts, generator=generator), labels
        return (torch.rand(rate.shape, generator=generator) < rate).float(), labels

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(STREAM_SEED + self.seed)
        rates = self.rates()
        for _ in range(self.batches):
            yield self.draw(rates, generator)

    def held_out(self, batches: int) -> Melodies:
        """Return test batches from a different stream."""
        return replace(self, batches=batches, seed=self.seed - TEST_SEED)
