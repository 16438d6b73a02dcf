"""From sound to spikes: eardrum to bushy cells, 700 channels, following the Spiking Heidelberg Digits.

The chain is that of B. Cramer, Y. Stradmann, J. Schemmel and F. Zenke, "The Heidelberg Spiking Data Sets for the
Systematic Evaluation of Spiking Neural Networks", IEEE TNNLS 33(7), 2744-2757 (2022), arXiv:1910.07407: normalize the
sound, compute the velocity of the basilar membrane (`basilar`), the firing probability of the nerve fibers
(`hair_cell`), and the spikes of the bushy cells (`bushy`). There are two differences. All channels are computed
together, one time step at a time. And the membrane is sampled at the rate of the sound; the published code keeps every
second sample, which aliases frequencies above a quarter of the rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.spoken_digits import basilar, bushy, hair_cell

LEVEL = 0.3  # RMS of a normalized sound, as published
RAMP_S = 0.03  # judgment call: removes clicks and keeps the consonants (the published code ramps over the whole word)
SILENCE_S = 0.04  # before and after: impulse responses are up to 38 ms long
LENGTHS_S = 0.2  # sounds are padded to a multiple: each length needs a transfer matrix, which takes seconds to compute


class Spikes(NamedTuple):
    """Spikes of one sound, in order of time: `times` in seconds, float64, and `units`, uint16, both of shape (n,)."""

    times: NDArray[np.float64]
    units: NDArray[np.uint16]


def prepare(sound: NDArray[Any], *, rate: int) -> NDArray[np.float32]:
    """Normalize a sound, ramp its ends and pad it with silence: shape (samples + silence,).

    A silent sound stays silent.
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
    """Return the padded length of a sound of that many samples, silence included."""
    unit = round(LENGTHS_S * rate)
    return -(-samples // unit) * unit


def spikes(
    sounds: Sequence[NDArray[Any]], *, rate: int, seeds: Sequence[Sequence[int]], channels: int = basilar.CHANNELS
) -> list[Spikes]:
    """Return the spikes of the bushy cells for several sounds, each of shape (samples,) and any scale, at `rate` Hz.

    Sounds are computed side by side, because a time step of four costs little more than a time step of one. Each has
    its own random numbers, from its entry in `seeds`, so its spikes do not depend on the other sounds.
    """
    waves = [prepare(sound, rate=rate) for sound in sounds]
    length = padded_length(max(map(len, waves)), rate=rate)
    velocities = [basilar.velocity(np.pad(w, (0, length - len(w))), rate=rate, channels=channels) for w in waves]
    probability = np.hstack([hair_cell.firing_probability(v, rate=rate) for v in velocities])
    at, cell = bushy.fire(probability, rate=rate, generators=[np.random.default_rng(list(seed)) for seed in seeds])
    result = []
    for index, wave in enumerate(waves):
        own = (cell // channels == index) & (at < len(wave))
        result.append(Spikes(at[own] / rate, (cell[own] % channels).astype(np.uint16)))
    return result
