"""Convert events to frames, and augment frames."""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

import torch
from tonic.transforms import ToFrame
from torch import Tensor

CHANNELS = 700  # of the cochlea, in SHD


@dataclass(frozen=True)
class Frames:
    """Convert the events of one word to frames [time, channel] of fixed duration.

    Attributes:
        bins: number of time bins; later events are dropped.
        window_ms: duration of a bin in milliseconds, the same for every word. (tonic's `n_time_bins` would stretch
            all words to the same length and lose their duration.)
        pool: number of adjacent cochlea channels summed into one channel of the frame.
        binary: set a bin to 1 if it holds any event; otherwise a bin holds its number of events, as in `ToFrame`.
    """

    bins: int = 50
    window_ms: int = 20
    pool: int = 5
    binary: bool = True

    @property
    def channels(self) -> int:
        """The number of channels of a frame."""
        return CHANNELS // self.pool

    def __call__(self, events: Any) -> Tensor:
        """Convert `events` (numpy, fields t in microseconds, x = channel, p) to int16 frames [time, channel]."""
        window = self.window_ms * 1000
        # Without start and end, ToFrame starts at the first event and drops the silence before the word.
        to_frame = ToFrame((self.channels, 1, 1), time_window=window, start_time=0, end_time=self.bins * window)
        pooled = events.copy()
        pooled["x"] //= self.pool
        frames = torch.from_numpy(to_frame(pooled)).squeeze(1)
        return (frames > 0).to(frames.dtype) if self.binary else frames


@dataclass(frozen=True)
class Examples:
    """Words as tensors: frames [word, time, channel], labels [word]."""

    frames: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def examples(dataset: Sized, frames: Callable[[Any], Tensor]) -> Examples:
    """Convert a whole `dataset` of (events, label) with `frames` once, so that an epoch only indexes a tensor."""
    pairs = [dataset[index] for index in range(len(dataset))]  # type: ignore[index]
    labels = torch.tensor([int(label) for _, label in pairs])
    return Examples(torch.stack([frames(events) for events, _ in pairs]), labels)


@dataclass(frozen=True)
class Augmentation:
    """Augment each word of a batch at random: pitch, vocal tract, onset, speed and loudness vary.

    docs/reference-model.md gives the effect of each. One indexing operation and one mask apply all of them.

    Attributes:
        channel_shift: maximum shift in channels, up or down (pitch).
        channel_stretch: maximum relative stretch around the middle channel (length of the vocal tract).
        time_shift: maximum shift in bins, earlier or later (onset of the word).
        time_stretch: maximum relative stretch in time (speed of speech).
        drop: maximum fraction of a word's bins set to 0 (loudness).
    """

    channel_shift: float = 3.0
    channel_stretch: float = 0.1
    time_shift: float = 5.0
    time_stretch: float = 0.15
    drop: float = 0.5

    def __call__(self, frames: Tensor) -> Tensor:
        """Return augmented `frames` [batch, time, channel], of the same shape and type; uses torch's own generator."""
        batch, bins, channels = frames.shape
        time = torch.arange(bins) * (1 + _uniform(self.time_stretch, batch)) + _uniform(self.time_shift, batch)
        middle = channels / 2
        channel = (torch.arange(channels) - middle) * (1 + _uniform(self.channel_stretch, batch)) + middle
        channel = channel + _uniform(self.channel_shift, batch)
        # One element of padding at index `bins` and `channels`: positions outside the frame read silence.
        padded = torch.nn.functional.pad(frames, (0, 1, 0, 1))
        rows, columns = _to_index(time, bins), _to_index(channel, channels)
        moved = padded[torch.arange(batch)[:, None, None], rows[:, :, None], columns[:, None, :]]
        mask = torch.rand(moved.shape) >= self.drop * torch.rand(batch, 1, 1)
        return moved * mask


def _uniform(bound: float, batch: int) -> Tensor:
    """Draw one value from [-bound, bound] per word: [batch, 1]."""
    return (2 * torch.rand(batch, 1) - 1) * bound


def _to_index(position: Tensor, size: int) -> Tensor:
    """Round positions to indices; positions outside become `size`, the index of the padding."""
    index = position.round().long()
    return torch.where((index < 0) | (index >= size), size, index)
