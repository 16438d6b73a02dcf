"""Shares of single time steps, or samples, in the spikes of a forward pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from spikecheck.stats.base import State, merged_by

SHARE_DIGITS = 6  # decimals of a share; further ones depend on the order of adding forward passes
MAX_PROFILE = 1024  # longest profile that is returned


def add_padded(a: Tensor, b: Tensor) -> Tensor:
    """Merge rule: add two vectors, padding the shorter one with 0."""
    length = max(len(a), len(b))
    return pad(a, (0, length - len(a))) + pad(b, (0, length - len(b)))


@dataclass(frozen=True)
class ShareState(State):
    """Share of each time step (or sample) relative to the mean, summed over forward passes."""

    sums: Tensor = merged_by(add_padded)
    squares: Tensor = merged_by(add_padded)
    counts: Tensor = merged_by(add_padded)

    @classmethod
    def of(cls, amounts: Tensor) -> ShareState:
        """Build from the spike counts per time step (or sample) of one forward pass."""
        amounts = amounts.double()
        share = (amounts / amounts.mean()).nan_to_num(0, 0, 0)
        return cls(share, share.square(), torch.ones_like(share))

    def variance_explained(self) -> float | None:
        """Return the fraction of the variance between positions, from 0 to 1.

        The variance of a share has a part between the positions (time steps or samples) and a part within them, from
        forward pass to forward pass. This is the estimator of the intraclass correlation from a one-way analysis of
        variance, clipped at 0. None for less than two forward passes or two positions.
        """
        counts = self.counts
        several = counts > 1
        mean, n = self.sums / counts.clamp(min=1), counts.clamp(min=2)
        within = ((self.squares - self.sums * mean) / (n - 1)).clamp(min=0)[several]
        if len(within) <= 1:
            return None
        signal = (mean[several].var() - (within / n[several]).mean()).clamp(min=0)
        fraction = float((signal / (signal + within.mean())).nan_to_num(0, 0, 0))
        return round(fraction, SHARE_DIGITS)

    def profile(self) -> Tensor:
        """Return the mean share of each position; empty for more than MAX_PROFILE positions."""
        mean = (self.sums / self.counts.clamp(min=1)).round(decimals=SHARE_DIGITS)
        return mean if len(mean) <= MAX_PROFILE else mean[:0]
