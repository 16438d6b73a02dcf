"""The data set follows its plan and is reproducible."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("scipy", reason="pip install 'spikecheck[data]'")
pytest.importorskip("espeakng_loader", reason="pip install 'spikecheck[data]'")

from spikecheck.cli import data
from spikecheck.errors import SpikecheckError
from spikecheck.reference import pack, shd
from tools.spoken_digits import generator, speech

PLAN = generator.plan()


def test_every_speaker_says_every_digit_once() -> None:
    counts = Counter((word.speaker, word.label) for word in PLAN)
    assert len(PLAN) == len(counts) == 40 * 20
    assert set(counts.values()) == {1}


def test_no_speaker_and_no_timbre_is_in_both_splits() -> None:
    train, test = ([word for word in PLAN if word.split == split] for split in ("train", "test"))
    assert (len(train), len(test)) == (640, 160)
    assert not {word.speaker for word in train} & {word.speaker for word in test}
    assert not {word.line.timbre for word in train} & {word.line.timbre for word in test}


def test_every_accent_is_in_both_splits() -> None:
    train, test = ({word.line.voice for word in PLAN if word.split == split} for split in ("train", "test"))
    assert train == test == {*generator.ACCENTS, "de"}


def test_a_trial_set_spans_the_first_to_the_last_word() -> None:
    assert generator.evenly_spaced(PLAN, 2) == [PLAN[0], PLAN[-1]]
    assert generator.evenly_spaced(PLAN, len(PLAN)) == PLAN
    with pytest.raises(ValueError, match="1 to 800"):
        generator.evenly_spaced(PLAN, 801)


def test_speech_is_reproducible_and_trimmed() -> None:
    lines = [word.line for word in generator.evenly_spaced(PLAN, 3)]
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


@pytest.mark.full
def test_the_packed_bytes_do_not_depend_on_the_number_of_processes() -> None:
    words = generator.evenly_spaced(PLAN, 2)
    finished: list[int] = []
    first = generator.make(words, progress=finished.append)
    assert sum(finished) == 2
    assert generator.make(words, processes=1) == first
    splits, keys = pack.unpack(first)
    assert (len(splits["train"]), len(splits["test"]), keys) == (1, 1, generator.KEYS)
    assert shared_spikes(splits["train"], shd.packed_digits()[0]["train"]) > 0.95, (
        "the packaged set was not made by this code"
    )


def shared_spikes(one: pack.Words, other: pack.Words) -> float:
    """Fraction of spikes that the first words of both share; rounding can move a potential across the threshold."""
    first, second = (set(zip(words.bins[0].tolist(), words.units[0].tolist(), strict=True)) for words in (one, other))
    return len(first & second) / len(first | second)


@pytest.mark.full
@pytest.mark.slow
def test_the_command_makes_a_set_and_shows_it(tmp_path: Path) -> None:
    out = tmp_path / "few.xz"
    result = CliRunner().invoke(data.command, ["make", "--out", str(out), "--words", "2", "--processes", "1"])
    assert result.exit_code == 0, result.output
    assert "2 words" in result.output
    shown = CliRunner().invoke(data.command, ["show", str(out)])
    assert shown.exit_code == 0, shown.output
    assert "spikes per word" in shown.output


def test_the_packaged_set_follows_the_plan() -> None:
    splits, keys = shd.packed_digits()
    assert keys == generator.KEYS
    for split, words in splits.items():
        planned = [(word.label, word.speaker) for word in PLAN if word.split == split]
        assert list(zip(words.labels.tolist(), words.speakers.tolist(), strict=True)) == planned


def test_show_counts_the_packaged_set() -> None:
    shown = CliRunner().invoke(data.command, ["show"])
    assert shown.exit_code == 0, shown.output
    assert "640" in shown.output
    assert "fuenf" in shown.output


def test_without_a_checkout_the_command_states_where_the_generator_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tools.spoken_digits", None)
    with pytest.raises(SpikecheckError, match="source distribution"):
        data.import_generator()
