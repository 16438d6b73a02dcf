"""Small sets of spikes to pack, unpack and open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spikecheck.reference import pack

KEYS = tuple(f"word{number}" for number in range(20))


def words(spikes: Sequence[Sequence[tuple[int, int]]], speakers: Sequence[int] | None = None) -> pack.Words:
    """Words from (bin, channel) of each spike; the labels count up."""
    count = len(spikes)
    return pack.Words(
        bins=[np.array([bin_ for bin_, _ in word], dtype=np.uint16) for word in spikes],
        units=[np.array([unit for _, unit in word], dtype=np.uint16) for word in spikes],
        labels=np.arange(count, dtype=np.uint16) % 20,
        speakers=np.array(speakers if speakers is not None else [0] * count, dtype=np.uint16),
    )


def listed(some: pack.Words) -> list[list[tuple[int, int]]]:
    """The (bin, channel) of each spike again, sorted."""
    pairs = zip(some.bins, some.units, strict=True)
    return [sorted(zip(bins.tolist(), units.tolist(), strict=True)) for bins, units in pairs]
