"""The words of the spoken-digit data set, their speakers, and the making of the packed file.

Forty speakers, each a timbre of espeak-ng with one English accent, say each of the twenty digits once. Eight speakers
are in the test split only. Every accent is in both splits: speakers are held out, accents are not.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikecheck.reference.pack import Words
from tools.spoken_digits import cochlea, packing
from tools.spoken_digits.speech import Line, speak

SEED = 20200
PROCESSES = 2
SOUNDS_PER_BATCH = 4  # sounds computed side by side
ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
GERMAN = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
KEYS = (*ENGLISH, *(word.replace("fünf", "fuenf") for word in GERMAN))
ACCENTS = ("en-us", "en-gb-x-rp", "en-gb-scotland", "en-029", "en-gb-x-gbclan")
TRAIN_TIMBRES = (
    "f1",
    "m1",
    "f3",
    "m2",
    "f4",
    "m4",
    "f5",
    "m5",
    "m6",
    "aunty",
    "m7",
    "Alicia",
    "m8",
    "anika",
    "adam",
    "Andrea",
    "boris",
    "caleb",
    "Annie",
    "david",
    "edward",
    "grandma",
    "ian",
    "Jacky",
    "john",
    "sandro",
    "Lee",
    "Mario",
    "steph2",
    "max",
    "miguel",
    "zac",
)
TEST_TIMBRES = ("f2", "m3", "linda", "Michael", "belinda", "paul", "steph", "robert")


@dataclass(frozen=True)
class PlannedWord:
    """One word to synthesize: text and voice, class, speaker, split."""

    line: Line
    label: int
    speaker: int
    split: str
    seed: tuple[int, int]


def plan(seed: int = SEED) -> list[PlannedWord]:
    """List every word, speaker by speaker; each word varies the rate, pitch and pitch range of its speaker."""
    words: list[PlannedWord] = []
    for speaker, timbre in enumerate((*TRAIN_TIMBRES, *TEST_TIMBRES)):
        rng = np.random.default_rng([seed, speaker])
        tempo, pitch, lively = (
            rng.integers(115, 156),
            rng.integers(38, 63),
            rng.integers(30, 71),
        )
        for label, text in enumerate((*ENGLISH, *GERMAN)):
            line = Line(
                text,
                ACCENTS[speaker % len(ACCENTS)] if text in ENGLISH else "de",
                timbre,
                words_per_minute=int(tempo + rng.integers(-12, 13)),
                pitch=int(pitch + rng.integers(-6, 7)),
                pitch_range=int(lively + rng.integers(-10, 11)),
            )
            split = "train" if timbre in TRAIN_TIMBRES else "test"
            words.append(PlannedWord(line, label, speaker, split, (seed, len(words))))
    return words


def evenly_spaced(words: Sequence[PlannedWord], number: int) -> list[PlannedWord]:
    """Return `number` words, evenly spaced over the list and in order: a trial set. Raises ValueError below 1."""
    if not 1 <= number <= len(words):
        raise ValueError(f"{number} words requested: choose 1 to {len(words)}")
    return [words[index] for index in np.linspace(0, len(words) - 1, number).round().astype(int)]


def make(
    words: Sequence[PlannedWord], *, processes: int = PROCESSES, progress: Callable[[int], object] = lambda done: None
) -> bytes:
    """Synthesize the words, run them through the cochlea model and return the packed file.

    The bytes depend on the words only, not on the number of processes. `progress` is called with the number of words
    finished since its last call.
    """
    rate, sounds = speak([word.line for word in words])
    order = np.argsort([len(sound) for sound in sounds], kind="stable")  # similar lengths share a transfer matrix
    batches = [order[at : at + SOUNDS_PER_BATCH] for at in range(0, len(order), SOUNDS_PER_BATCH)]
    spikes: dict[int, cochlea.Spikes] = {}
    context = multiprocessing.get_context("spawn")  # fork would copy the state of torch's running threads
    with ProcessPoolExecutor(max_workers=processes, mp_context=context) as pool:
        jobs = {
            pool.submit(
                cochlea.spikes, [sounds[i] for i in batch], rate=rate, seeds=[words[i].seed for i in batch]
            ): batch
            for batch in batches
        }
        for job in as_completed(jobs):
            spikes.update(zip(map(int, jobs[job]), job.result(), strict=True))
            progress(len(jobs[job]))
    splits = {name: [i for i, word in enumerate(words) if word.split == name] for name in ("train", "test")}
    return packing.pack({name: _gather(words, spikes, indices) for name, indices in splits.items()}, KEYS)


def _gather(words: Sequence[PlannedWord], spikes: dict[int, cochlea.Spikes], indices: list[int]) -> Words:
    def numbers(values: list[int]) -> NDArray[np.uint16]:
        return np.array(values, dtype=np.uint16)

    return Words(
        bins=[packing.to_bins(spikes[i].times) for i in indices],
        units=[spikes[i].units for i in indices],
        labels=numbers([words[i].label for i in indices]),
        speakers=numbers([words[i].speaker for i in indices]),
    )
