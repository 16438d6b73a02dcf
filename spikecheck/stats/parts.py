"""Which part of a forward's spikes each step has, or each sample: their shares, and how far the number tells them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from spikecheck.stats.base import State, merged

DIGITS = 6  # of a share: the last ones depend on the order in which forwards were added up
LONGEST = 1024  # numbers whose parts are told one by one


def padded(a: Tensor, b: Tensor) -> Tensor:
    """Rule of a field with an entry a step, or a sample, of which a later forward may have more or fewer."""
    most = max(len(a), len(b))
    return pad(a, (0, most - len(a))) + pad(b, (0, most - len(b)))


@dataclass(frozen=True)
class PartState(State):
    """What part of a whole each step has (or each sample), relative to the mean: sums over the forwards."""

    sums: Tensor = merged(padded)
    squares: Tensor = merged(padded)
    counts: Tensor = merged(padded)

    @classmethod
    def of(cls, whole: Tensor) -> PartState:
        """From one forward's spikes by step, or by sample."""
        part = (whole.double() / whole.double().mean()).nan_to_num(0, 0, 0)
        return cls(part, part.square(), torch.ones_like(part))

    def told(self) -> float | None:
        """The share of the variance that the number tells; None for less than two forwards, or two numbers."""
        counts = self.counts
        several = counts > 1
        mean, n = self.sums / counts.clamp(min=1), counts.clamp(min=2)
        within = ((self.squares - self.sums * mean) / (n - 1)).clamp(min=0)[several]
        if len(within) <= 1:
            return None
        signal = (mean[several].var() - (within / n[several]).mean()).clamp(min=0)
        share = float((signal / (signal + within.mean())).nan_to_num(0, 0, 0))
        return round(share, DIGITS)

    def profile(self) -> Tensor:
        """The mean part of each number; nothing where there are too many."""
        mean = (self.sums / self.counts.clamp(min=1)).round(decimals=DIGITS)
        return mean if len(mean) <= LONGEST else mean[:0]
