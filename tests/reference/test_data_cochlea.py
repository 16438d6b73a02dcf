"""The cochlea obeys its equations, and does what the published conversion does to short tones.

`data_tones.json` holds what the package lauscher, by which SHD was made, gave for three tones; the file says how. It
holds numbers only, so that the package is not needed here.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("scipy", reason="pip install 'spikecheck[reference]'")

from spikecheck.reference import basilar, bushy, cochlea, hair_cell

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
def test_each_channel_moves_as_much_as_published(tone: str) -> None:
    """lauscher's frequencies start at 1 Hz where the transform's start at 0, so its 300 Hz is our 301 Hz.

    Beyond a tone's place the response falls by a factor of five a channel, where 1 Hz makes 7 %.
    """
    published = np.array(PUBLISHED["tones"][tone]["velocity_rms"])
    omega, x = 2 * np.pi * np.array([[float(tone)], [float(tone) + 1]]), basilar.places(CHANNELS)
    as_tuned, one_hertz_up = np.abs(basilar.transfer(omega, x))
    moving = published > published.max() / 100
    ours = velocity(tone).std(axis=0) * one_hertz_up / as_tuned
    assert ours[moving] == pytest.approx(published[moving], rel=0.01)


@tones
def test_fibres_fire_as_probably_as_published(tone: str) -> None:
    ours = hair_cell.firing_probability(velocity(tone), rate=RATE).sum(axis=0)
    assert ours == pytest.approx(np.array(PUBLISHED["tones"][tone]["firing_sum"]), rel=0.02)


@tones
def test_bushy_cells_fire_as_often_as_published(tone: str) -> None:
    """Both counts are random: their difference stays below four standard deviations of Poisson numbers."""
    firing = hair_cell.firing_probability(velocity(tone), rate=RATE)
    generators = [np.random.default_rng(seed) for seed in range(4)]
    _, cell = bushy.fire(np.hstack([firing] * 4), rate=RATE, generators=generators)
    ours = np.bincount(cell % CHANNELS, minlength=CHANNELS).reshape(-1, 7).sum(axis=1)
    published = np.array(PUBLISHED["tones"][tone]["spikes_of_four_runs"]).reshape(-1, 7).sum(axis=1)
    assert np.all(np.abs(ours - published) <= 4 * np.sqrt(ours + published + 1))


def test_a_higher_tone_moves_a_place_nearer_to_the_base() -> None:
    peaks = [velocity(tone).std(axis=0).argmax() for tone in sorted(PUBLISHED["tones"], key=float)]
    assert peaks == sorted(peaks, reverse=True)
    assert len(set(peaks)) == len(peaks)


def test_the_phase_is_the_integral_of_the_wave_number() -> None:
    omega = 2 * np.pi * np.array([[150.0], [1000.0], [6000.0]])
    x = np.linspace(0, basilar.LENGTH_CM, 200_001)
    g = basilar.wave_number(omega, x)
    gathered = np.concatenate([np.zeros((3, 1)), np.cumsum((g[:, 1:] + g[:, :-1]) / 2 * (x[1] - x[0]), axis=1)], axis=1)
    expected = 2 / basilar.ALPHA * g[:, :1] + gathered
    assert np.allclose(basilar.phase(omega, x), expected, rtol=1e-5)


def test_a_hair_cell_at_rest_stays_at_rest() -> None:
    firing = hair_cell.firing_probability(np.zeros((2000, 1), dtype=np.float32), rate=RATE)
    assert firing == pytest.approx(firing[0, 0], rel=1e-3)
    spikes_per_s = firing[0, 0] * RATE
    assert 30 < spikes_per_s < 150, "a fibre of high spontaneous rate, so Meddis et al. (1990)"


def test_a_hair_cell_adapts() -> None:
    """It fires most at the onset, for then its pool of transmitter is full."""
    firing = hair_cell.firing_probability(np.full((4000, 1), 100, dtype=np.float32), rate=RATE)[:, 0]
    resting = hair_cell.firing_probability(np.zeros((1, 1), dtype=np.float32), rate=RATE)[0, 0]
    assert firing[:200].max() > 3 * firing[-1] > 3 * resting


@pytest.mark.parametrize(("trials", "probability"), [(40, 0.004), (40, 0.1), (7, 0.6), (1, 0.9)])
def test_inversion_draws_binomial_numbers(trials: int, probability: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    middles = ((np.arange(20_000) + 0.5) / 20_000).astype(np.float32)
    drawn = bushy.binomial(middles, np.full_like(middles, trials), np.full_like(middles, probability))
    shares = np.bincount(drawn.astype(int), minlength=trials + 1) / len(middles)
    assert shares == pytest.approx(stats.binom.pmf(np.arange(trials + 1), trials, probability), abs=2e-4)


def test_no_fibre_and_no_impossible_draw_gives_a_spike() -> None:
    uniform = np.full(3, 0.9999, dtype=np.float32)
    trials, probability = np.array([0, 40, 5], dtype=np.float32), np.array([0.5, 0, 0.5], dtype=np.float32)
    assert bushy.binomial(uniform, trials, probability).tolist() == [0, 0, 5]


def test_a_bushy_cell_rests_after_a_spike() -> None:
    driven = np.full((4000, 5), 0.05, dtype=np.float32)
    at, cell = bushy.fire(driven, rate=RATE, generators=[np.random.default_rng(0)])
    gaps = np.concatenate([np.diff(at[cell == c]) for c in range(5)])
    assert gaps.size > 100
    assert gaps.min() / RATE > bushy.REFRACTORY_S


def test_a_sound_gives_the_same_spikes_in_any_company() -> None:
    first, second = sound("1000"), sound("300")
    alone = cochlea.spikes([first], rate=RATE, seeds=[(1, 0)], channels=CHANNELS)[0]
    beside = cochlea.spikes([second, first], rate=RATE, seeds=[(1, 1), (1, 0)], channels=CHANNELS)[1]
    assert alone.times.tolist() == beside.times.tolist()
    assert alone.units.tolist() == beside.units.tolist()
    assert len(alone.times) > 50


def test_loudness_does_not_matter() -> None:
    quiet = cochlea.prepare(sound("1000") / 100, rate=RATE)
    assert quiet == pytest.approx(cochlea.prepare(sound("1000"), rate=RATE), rel=1e-4, abs=1e-6)


def test_silence_stays_silent() -> None:
    assert not cochlea.prepare(np.zeros(1000), rate=RATE).any()
