"""Words that no voice said: a class is a band of channels that fires in a stretch of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EVENTS = np.dtype([("t", np.int64), ("x", np.int64), ("p", np.int64)])
CLASSES = 4


def events(times_us: list[int], channels: list[int]) -> NDArray[np.void]:
    """Events as tonic's SHD gives them: t in microseconds, x the channel, p always 1."""
    made = np.zeros(len(times_us), dtype=EVENTS)
    made["t"], made["x"], made["p"] = times_us, channels, 1
    return made


class Words:
    """A dataset of (events, label), as `open_digits` returns; 300 events a word, all before 0.5 s."""

    def __init__(self, number: int, *, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.pairs = [self._word(rng, index % CLASSES) for index in range(number)]

    @staticmethod
    def _word(rng: np.random.Generator, label: int) -> tuple[NDArray[np.void], int]:
        times = np.sort(rng.integers(40_000, 500_000, size=300))
        band = rng.integers(0, 100, size=300) + 150 * label
        return events(list(times), list(band)), label

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[NDArray[np.void], int]:
        return self.pairs[index]
