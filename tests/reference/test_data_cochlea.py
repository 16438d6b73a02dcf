"""The cochlea model obeys its equations and agrees with the published conversion for short tones.

`data_tones.json` contains the results of the package lauscher, which made SHD, for three tones, and states how they
were obtained. It contains numbers only, so these tests do not need the package.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("scipy", reason="pip install 'spikecheck[data]'")

from tools.spoken_digits import basilar, bushy, cochlea, hair_cell

PUBLISHED = json.loads(Path(__file__).with_name("data_tones.json").read_text(encoding="utf-8"))
RATE = PUBLISHED["rate"]
CHANNELS = 70
tones = pytest.mark.parametrize("tone", PUBLISHED["tones"])


def sound(tone: str) -> NDArray[np.float64]:
    """The stimulus of the published numbers, sampled at the rate of their output."""
    t = np.arange(round(0.25 * RATE) + 1) / RATE
    envelope = np.sin(np.pi * np.clip((t - 0.06) / 0.13, 0, 1)) ** 2
    return np.asarray(0.4 * envelope * np.sin(2 * np.pi * float(tone) * t))


def velocity(tone: str) -> NDArray[np.float32]:
    return basilar.velocity(sound(tone), rate=RATE, channels=CHANNELS)


@tones
def test_velocities_agree_with_the_published_ones(tone: str) -> None:
    """lauscher's frequency grid starts at 1 Hz instead of 0, so its 300 Hz is our 301 Hz.

    Beyond the place of a tone the response falls by a factor of five per channel, where 1 Hz changes it by 7%.
    """
    published = np.array(PUBLISHED["tones"][tone]["velocity_rms"])
    omega, x = 2 * np.pi * np.array([[float(tone)], [float(tone) + 1]]), basilar.positions(CHANNELS)
    as_tuned, one_hertz_up = np.abs(basilar.transfer(omega, x))
    responding = published > published.max() / 100
    ours = velocity(tone).std(axis=0) * one_hertz_up / as_tuned
    assert ours[responding] == pytest.approx(published[responding], rel=0.01)


@tones
def test_firing_probabilities_agree_with_the_published_ones(tone: str) -> None:
    ours = hair_cell.firing_probability(velocity(tone), rate=RATE).sum(axis=0)
    assert ours == pytest.approx(np.array(PUBLISHED["tones"][tone]["firing_sum"]), rel=0.02)


@tones
def test_spike_counts_of_bushy_cells_agree_with_the_published_ones(tone: str) -> None:
    """Both counts are random: the difference stays below four standard deviations of Poisson numbers."""
    firing = hair_cell.firing_probability(velocity(tone), rate=RATE)
    generators = [np.random.default_rng(seed) for seed in range(4)]
    _, cell = bushy.fire(np.hstack([firing] * 4), rate=RATE, generators=generators)
    ours = np.bincount(cell % CHANNELS, minlength=CHANNELS).reshape(-1, 7).sum(axis=1)
    published = np.array(PUBLISHED["tones"][tone]["spikes_of_four_runs"]).reshape(-1, 7).sum(axis=1)
    assert np.all(np.abs(ours - published) <= 4 * np.sqrt(ours + published + 1))


def test_a_higher_tone_peaks_nearer_to_the_base() -> None:
    peaks = [velocity(tone).std(axis=0).argmax() for tone in sorted(PUBLISHED["tones"], key=float)]
    assert peaks == sorted(peaks, reverse=True)
    assert len(set(peaks)) == len(peaks)


def test_the_phase_is_the_integral_of_the_wave_number() -> None:
    omega = 2 * np.pi * np.array([[150.0], [1000.0], [6000.0]])
    x = np.linspace(0, basilar.LENGTH_CM, 200_001)
    g = basilar.wave_number(omega, x)
    integral = np.concatenate([np.zeros((3, 1)), np.cumsum((g[:, 1:] + g[:, :-1]) / 2 * (x[1] - x[0]), axis=1)], axis=1)
    expected = 2 / basilar.ALPHA * g[:, :1] + integral
    assert np.allclose(basilar.phase(omega, x), expected, rtol=1e-5)


def test_a_hair_cell_stays_in_its_steady_state_in_silence() -> None:
    firing = hair_cell.firing_probability(np.zeros((2000, 1), dtype=np.float32), rate=RATE)
    assert firing == pytest.approx(firing[0, 0], rel=1e-3)
    spikes_per_s = firing[0, 0] * RATE
    assert 30 < spikes_per_s < 150, "a fiber with a high spontaneous rate, see Meddis et al. (1990)"


def test_a_hair_cell_adapts() -> None:
    """It fires most at the onset, when its pool of transmitter is full."""
    firing = hair_cell.firing_probability(np.full((4000, 1), 100, dtype=np.float32), rate=RATE)[:, 0]
    resting = hair_cell.firing_probability(np.zeros((1, 1), dtype=np.float32), rate=RATE)[0, 0]
    assert firing[:200].max() > 3 * firing[-1] > 3 * resting


@pytest.mark.parametrize(("trials", "probability"), [(40, 0.004), (40, 0.1), (7, 0.6), (1, 0.9)])
def test_binomial_numbers_have_the_binomial_distribution(trials: int, probability: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    quantiles = ((np.arange(20_000) + 0.5) / 20_000).astype(np.float32)
    numbers = bushy.binomial(quantiles, np.full_like(quantiles, trials), np.full_like(quantiles, probability))
    shares = np.bincount(numbers.astype(int), minlength=trials + 1) / len(quantiles)
    assert shares == pytest.approx(stats.binom.pmf(np.arange(trials + 1), trials, probability), abs=2e-4)


def test_binomial_numbers_of_extreme_arguments() -> None:
    uniform = np.full(3, 0.9999, dtype=np.float32)
    trials, probability = np.array([0, 40, 5], dtype=np.float32), np.array([0.5, 0, 0.5], dtype=np.float32)
    assert bushy.binomial(uniform, trials, probability).tolist() == [0, 0, 5]


def test_a_bushy_cell_has_a_refractory_period() -> None:
    driven = np.full((4000, 5), 0.05, dtype=np.float32)
    at, cell = bushy.fire(driven, rate=RATE, generators=[np.random.default_rng(0)])
    gaps = np.concatenate([np.diff(at[cell == c]) for c in range(5)])
    assert gaps.size > 100
    assert gaps.min() / RATE > bushy.REFRACTORY_S


def test_the_spikes_of_a_sound_do_not_depend_on_the_other_sounds() -> None:
    first, second = sound("1000"), sound("300")
    alone = cochlea.spikes([first], rate=RATE, seeds=[(1, 0)], channels=CHANNELS)[0]
    beside = cochlea.spikes([second, first], rate=RATE, seeds=[(1, 1), (1, 0)], channels=CHANNELS)[1]
    assert alone.times.tolist() == beside.times.tolist()
    assert alone.units.tolist() == beside.units.tolist()
    assert len(alone.times) > 50


def test_the_volume_of_a_sound_does_not_matter() -> None:
    quiet = cochlea.prepare(sound("1000") / 100, rate=RATE)
    assert quiet == pytest.approx(cochlea.prepare(sound("1000"), rate=RATE), rel=1e-4, abs=1e-6)


def test_silence_stays_silent() -> None:
    assert not cochlea.prepare(np.zeros(1000), rate=RATE).any()
