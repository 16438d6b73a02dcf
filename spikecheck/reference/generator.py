"""Which words the reference set has, who says them, and how the packed file is made.

Forty speakers, each a timbre of espeak-ng with one English accent, say each of the twenty digits once. Eight of them
are heard in the test alone. The accents are spread over both sides: the split keeps speakers apart, not accents.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikecheck.reference import cochlea, pack
from spikecheck.reference.speech import Line, speak

SEED = 20200
PROCESSES = 2
TOGETHER = 4  # sounds computed side by side
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
class Word:
    """One word to make: how it is said, its class, its speaker, and on which side of the split it is."""

    line: Line
    label: int
    speaker: int
    split: str
    seed: tuple[int, int]


def plan(seed: int = SEED) -> list[Word]:
    """Every word of the set, speaker by speaker; each has a rate, pitch and pitch range near its speaker's."""
    words: list[Word] = []
    for speaker, timbre in enumerate((*TRAIN_TIMBRES, *TEST_TIMBRES)):
        person = np.random.default_rng([seed, speaker])
        tempo, pitch, lively = person.integers(115, 156), person.integers(38, 63), person.integers(30, 71)
        for label, text in enumerate((*ENGLISH, *GERMAN)):
            line = Line(
                text,
                ACCENTS[speaker % len(ACCENTS)] if text in ENGLISH else "de",
                timbre,
                words_per_minute=int(tempo + person.integers(-12, 13)),
                pitch=int(pitch + person.integers(-6, 7)),
                pitch_range=int(lively + person.integers(-10, 11)),
            )
            split = "train" if timbre in TRAIN_TIMBRES else "test"
            words.append(Word(line, label, speaker, split, (seed, len(words))))
    return words


def some(words: Sequence[Word], number: int) -> list[Word]:
    """Take so many of the words, evenly over the whole, in order: a trial set. Raises ValueError below 1."""
    if not 1 <= number <= len(words):
        raise ValueError(f"{number} words: the plan has 1 to {len(words)}")
    return [words[index] for index in np.linspace(0, len(words) - 1, number).round().astype(int)]


def make(
    words: Sequence[Word], *, processes: int = PROCESSES, progress: Callable[[int], object] = lambda done: None
) -> bytes:
    """Say the words, run them through the cochlea, and pack the spikes: the bytes of a packed file.

    The bytes depend on the words alone, not on the number of processes. `progress` is told how many more are done.
    """
    rate, sounds = speak([word.line for word in words])
    order = np.argsort([len(sound) for sound in sounds], kind="stable")  # alike lengths share a transfer matrix
    batches = [order[at : at + TOGETHER] for at in range(0, len(order), TOGETHER)]
    found: dict[int, cochlea.Spikes] = {}
    context = multiprocessing.get_context("spawn")  # a fork would copy whatever threads torch has running
    with ProcessPoolExecutor(max_workers=processes, mp_context=context) as pool:
        jobs = {
            pool.submit(
                cochlea.spikes, [sounds[i] for i in batch], rate=rate, seeds=[words[i].seed for i in batch]
            ): batch
            for batch in batches
        }
        for job in as_completed(jobs):
            found.update(zip(map(int, jobs[job]), job.result(), strict=True))
            progress(len(jobs[job]))
    splits = {name: [i for i, word in enumerate(words) if word.split == name] for name in ("train", "test")}
    return pack.pack({name: _gather(words, found, indices) for name, indices in splits.items()}, KEYS)


def _gather(words: Sequence[Word], found: dict[int, cochlea.Spikes], indices: list[int]) -> pack.Words:
    def numbers(values: list[int]) -> NDArray[np.uint16]:
        return np.array(values, dtype=np.uint16)

    return pack.Words(
        bins=[pack.to_bins(found[i].times) for i in indices],
        units=[found[i].units for i in indices],
        labels=numbers([words[i].label for i in indices]),
        speakers=numbers([words[i].speaker for i in indices]),
    )
