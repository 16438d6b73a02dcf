"""Events to frames, and the ways in which a frame may vary and still be the same word."""

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
    """Make frames [time, channel] of equal duration from the events of one word.

    Attributes:
        bins: time bins; events after the last are dropped.
        window_ms: duration of a bin in milliseconds. It is the same for every word, where `n_time_bins` would stretch
            each word to the same length and so lose its duration.
        pool: neighbouring cochlea channels that share one channel of the frame.
        binary: 1 where a bin holds an event. Without it a bin holds its number of events, as `ToFrame` counts them.
    """

    bins: int = 50
    window_ms: int = 20
    pool: int = 5
    binary: bool = True

    @property
    def channels(self) -> int:
        """Count the channels of a frame."""
        return CHANNELS // self.pool

    def __call__(self, events: Any) -> Tensor:
        """Turn events (numpy, fields t in microseconds, x = channel, p) into int16 frames [time, channel]."""
        window = self.window_ms * 1000
        # Without start and end, ToFrame begins at the first event, and the silence before the word is lost.
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
    """Make all frames of a dataset of (events, label) at once: an epoch then only reads a tensor."""
    pairs = [dataset[index] for index in range(len(dataset))]  # type: ignore[index]
    labels = torch.tensor([int(label) for _, label in pairs])
    return Examples(torch.stack([frames(events) for events, _ in pairs]), labels)


@dataclass(frozen=True)
class Augmentation:
    """Vary each word of a batch at random, within what another speaker or another moment would sound like.

    What each is worth is in docs/reference-model.md. One look-up and one mask apply them all, so an epoch stays cheap.

    Attributes:
        channel_shift: most channels up or down: another pitch.
        channel_stretch: most relative stretch around the middle channel: another length of vocal tract.
        time_shift: most bins earlier or later: the word begins at another moment.
        time_stretch: most relative stretch: slower and faster speech.
        drop: largest share of a word's bins that fall silent: a weaker sound.
    """

    channel_shift: float = 3.0
    channel_stretch: float = 0.1
    time_shift: float = 5.0
    time_stretch: float = 0.15
    drop: float = 0.5

    def __call__(self, frames: Tensor) -> Tensor:
        """Give varied frames [batch, time, channel] of the same shape and kind; torch's global generator is used."""
        batch, bins, channels = frames.shape
        time = torch.arange(bins) * (1 + _up_to(self.time_stretch, batch)) + _up_to(self.time_shift, batch)
        middle = channels / 2
        channel = (torch.arange(channels) - middle) * (1 + _up_to(self.channel_stretch, batch)) + middle
        channel = channel + _up_to(self.channel_shift, batch)
        # One element of padding at index `bins` and `channels`: what is moved in from outside is silence.
        padded = torch.nn.functional.pad(frames, (0, 1, 0, 1))
        rows, columns = _inside(time, bins), _inside(channel, channels)
        moved = padded[torch.arange(batch)[:, None, None], rows[:, :, None], columns[:, None, :]]
        kept = torch.rand(moved.shape) >= self.drop * torch.rand(batch, 1, 1)
        return moved * kept


def _up_to(most: float, batch: int) -> Tensor:
    """Draw one value of [-most, most] a word: [batch, 1]."""
    return (2 * torch.rand(batch, 1) - 1) * most


def _inside(position: Tensor, size: int) -> Tensor:
    """Round positions to indices, and those outside to `size`, the index of the padding."""
    index = position.round().long()
    return torch.where((index < 0) | (index >= size), size, index)
