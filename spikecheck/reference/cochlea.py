"""From sound to spikes: ear drum to bushy cells, 700 channels, as the Spiking Heidelberg Digits were made.

The chain is that of B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, "The Heidelberg Spiking Data Sets for the
Systematic Evaluation of Spiking Neural Networks", IEEE TNNLS 33(7), 2744-2757 (2022), arXiv:1910.07407: normalise the
sound, move the basilar membrane (`basilar`), fire the nerve fibres (`hair_cell`), gather them in bushy cells (`bushy`).
Two things differ. All channels are computed together, a time step at a time. And the membrane's movement is sampled at
the sound's own rate; the published code keeps every second sample, which folds what lies above a quarter of the rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spikecheck.reference import basilar, bushy, hair_cell

LEVEL = 0.3  # root mean square of a sound before it enters, as published
RAMP_S = 0.03  # taste: takes off clicks and leaves the consonants (the published code ramps over the whole word)
SILENCE_S = 0.04  # before and after: a channel's impulse response is up to 38 ms long
LENGTHS_S = (
    0.2  # sounds are filled up to a multiple, since each length has a transfer matrix that takes seconds to make
)


class Spikes(NamedTuple):
    """Spikes of one sound, in order of time: `times` in seconds, float64, and `units`, uint16, both of shape (n,)."""

    times: NDArray[np.float64]
    units: NDArray[np.uint16]


def prepare(sound: NDArray[Any], *, rate: int) -> NDArray[np.float32]:
    """Bring a sound to the level of the model, ramp its ends, and put silence around it: shape (samples + silence,).

    A sound that is all zero stays so.
    """
    wave = sound.astype(np.float64)
    wave -= wave.mean()
    power = np.sqrt(np.mean(wave**2))
    wave *= LEVEL / power if power else 0.0
    ramp = np.sin(np.linspace(0, np.pi / 2, min(round(RAMP_S * rate), len(wave) // 2))) ** 2
    wave[: len(ramp)] *= ramp
    wave[len(wave) - len(ramp) :] *= ramp[::-1]
    return np.pad(wave, round(SILENCE_S * rate)).astype(np.float32)


def padded_length(samples: int, *, rate: int) -> int:
    """Samples that a sound of that many, silence included, is computed with."""
    unit = round(LENGTHS_S * rate)
    return -(-samples // unit) * unit


def spikes(
    sounds: Sequence[NDArray[Any]], *, rate: int, seeds: Sequence[Sequence[int]], channels: int = basilar.CHANNELS
) -> list[Spikes]:
    """Spikes of the bushy cells for several sounds, each of shape (samples,) and any scale, sampled at `rate` Hz.

    Sounds are computed side by side, because a step of four costs little more than a step of one; each has its own
    random numbers, from its entry in `seeds`, and comes out the same in any company.
    """
    waves = [prepare(sound, rate=rate) for sound in sounds]
    length = padded_length(max(map(len, waves)), rate=rate)
    moves = [basilar.velocity(np.pad(w, (0, length - len(w))), rate=rate, channels=channels) for w in waves]
    probability = np.hstack([hair_cell.firing_probability(m, rate=rate) for m in moves])
    at, cell = bushy.fire(probability, rate=rate, generators=[np.random.default_rng(list(seed)) for seed in seeds])
    found = []
    for index, wave in enumerate(waves):
        mine = (cell // channels == index) & (at < len(wave))
        found.append(Spikes(at[mine] / rate, (cell[mine] % channels).astype(np.uint16)))
    return found
