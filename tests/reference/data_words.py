"""Small spike sets for the tests of packing and reading."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spikecheck.reference import pack

KEYS = tuple(f"word{number}" for number in range(20))


def words(spikes: Sequence[Sequence[tuple[int, int]]], speakers: Sequence[int] | None = None) -> pack.Words:
    """Build words from the (bin, channel) of each spike; labels are 0, 1, 2, ..."""
    count = len(spikes)
    return pack.Words(
        bins=[np.array([bin_ for bin_, _ in word], dtype=np.uint16) for word in spikes],
        units=[np.array([unit for _, unit in word], dtype=np.uint16) for word in spikes],
        labels=np.arange(count, dtype=np.uint16) % 20,
        speakers=np.array(speakers if speakers is not None else [0] * count, dtype=np.uint16),
    )


def sorted_spikes(spike_set: pack.Words) -> list[list[tuple[int, int]]]:
    """Return the (bin, channel) of each spike, sorted."""
    pairs = zip(spike_set.bins, spike_set.units, strict=True)
    return [sorted(zip(bins.tolist(), units.tolist(), strict=True)) for bins, units in pairs]
