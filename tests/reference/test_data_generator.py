"""The set is what its plan says, and comes out the same each time it is made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("scipy", reason="pip install 'spikecheck[reference]'")
pytest.importorskip("espeakng_loader", reason="pip install 'spikecheck[reference]'")

from spikecheck.cli import data
from spikecheck.errors import SpikecheckError
from spikecheck.reference import generator, pack, shd, speech

PLAN = generator.plan()


def test_every_speaker_says_every_digit_once() -> None:
    said = Counter((word.speaker, word.label) for word in PLAN)
    assert len(PLAN) == len(said) == 40 * 20
    assert set(said.values()) == {1}


def test_no_speaker_and_no_timbre_is_on_both_sides() -> None:
    train, test = ([word for word in PLAN if word.split == split] for split in ("train", "test"))
    assert (len(train), len(test)) == (640, 160)
    assert not {word.speaker for word in train} & {word.speaker for word in test}
    assert not {word.line.timbre for word in train} & {word.line.timbre for word in test}


def test_every_accent_is_on_both_sides() -> None:
    train, test = ({word.line.voice for word in PLAN if word.split == split} for split in ("train", "test"))
    assert train == test == {*generator.ACCENTS, "de"}


def test_a_trial_has_words_from_the_first_to_the_last() -> None:
    assert generator.some(PLAN, 2) == [PLAN[0], PLAN[-1]]
    assert generator.some(PLAN, len(PLAN)) == PLAN
    with pytest.raises(ValueError, match="1 to 800"):
        generator.some(PLAN, 801)


def test_the_same_lines_sound_the_same_and_start_without_a_pause() -> None:
    lines = [word.line for word in generator.some(PLAN, 3)]
    rate, sounds = speech.speak(lines)
    _, again = speech.speak(lines)
    assert rate == 22050
    assert all(np.array_equal(one, other) for one, other in zip(sounds, again, strict=True))
    for sound in sounds:
        assert 0.1 < len(sound) / rate < 1.5
        assert np.abs(sound[[0, -1]].astype(int)).min() > 0.01 * np.abs(sound.astype(int)).max() - 1


@pytest.mark.parametrize(("voice", "timbre"), [("en-us", "nobody"), ("en-nowhere", "f1")])
def test_a_voice_that_does_not_exist_is_an_error(voice: str, timbre: str) -> None:
    with pytest.raises(SpikecheckError, match="no voice"):
        speech.speak([speech.Line("one", voice, timbre)])


def test_a_silent_sound_is_trimmed_to_nothing() -> None:
    assert len(speech.trim(np.zeros(100, dtype=np.int16))) == 0
    assert speech.trim(np.array([0, 0, 500, 0, -900, 0], dtype=np.int16)).tolist() == [500, 0, -900]


@pytest.mark.slow
def test_two_words_give_the_same_bytes_twice_and_in_one_process() -> None:
    words = generator.some(PLAN, 2)
    done: list[int] = []
    first = generator.make(words, progress=done.append)
    assert sum(done) == 2
    assert generator.make(words, processes=1) == first
    splits, keys = pack.unpack(first)
    assert (len(splits["train"]), len(splits["test"]), keys) == (1, 1, generator.KEYS)
    assert alike(splits["train"], shd.packed_digits()[0]["train"]) > 0.95, "the shipped set is not made by this code"


def alike(one: pack.Words, other: pack.Words) -> float:
    """Share of spikes that the first words of both have in common; a rounding may tip a spike over the threshold."""
    first, second = (set(zip(words.bins[0].tolist(), words.units[0].tolist(), strict=True)) for words in (one, other))
    return len(first & second) / len(first | second)


@pytest.mark.slow
def test_the_command_makes_a_set_that_it_can_show(tmp_path: Path) -> None:
    out = tmp_path / "few.xz"
    made = CliRunner().invoke(data.command, ["make", "--out", str(out), "--words", "2", "--processes", "1"])
    assert made.exit_code == 0, made.output
    assert "2 words" in made.output
    shown = CliRunner().invoke(data.command, ["show", str(out)])
    assert shown.exit_code == 0, shown.output
    assert "spikes a word" in shown.output


def test_the_shipped_set_is_that_of_the_plan() -> None:
    splits, keys = shd.packed_digits()
    assert keys == generator.KEYS
    for split, words in splits.items():
        planned = [(word.label, word.speaker) for word in PLAN if word.split == split]
        assert list(zip(words.labels.tolist(), words.speakers.tolist(), strict=True)) == planned


def test_show_counts_the_shipped_set() -> None:
    shown = CliRunner().invoke(data.command, ["show"])
    assert shown.exit_code == 0, shown.output
    assert "640" in shown.output
    assert "fuenf" in shown.output
