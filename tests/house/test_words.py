"""The words, names and limit names of tests/house/words.py do not return."""

from __future__ import annotations

import pytest

from tests.house import words
from tests.house.tree import short


def test_no_word_returns() -> None:
    assert not (places := list(words.places())), "\n".join(map(str, places))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("draw the layer anew", "anew"),
        ("each so-many-th forward pass", "so-many-th"),
        ("why='taste: a tenth'", "taste"),
        ("in every forward, once", "every forward"),
        ("after 24 forwards", "forwards"),
        ("0.4 spikes a step", "spikes a step"),
        ("{rms:.3g} a step", "} a step"),
        ("initialisers give 0.6", "initialisers"),
        ("a judgement call", "judgement"),
        ("its neighbours", "neighbour"),
    ],
)
def test_what_may_not_return_is_found(line: str, word: str) -> None:
    assert [place.word for place in words.in_lines("file", enumerate([line], 1), words.WORDS)] == [word]


@pytest.mark.parametrize(
    "line",
    [
        "every forward pass, and a forward hook",
        "spikes per step; a step of the optimizer",
        "initialize, behavior, judgment call, raise, promise, noise, four, hour",
        "def forward(self, x): return self.forward_passes",
    ],
)
def test_what_may_stand_is_left_alone(line: str) -> None:
    assert not list(words.in_lines("file", enumerate([line], 1), words.WORDS))


def test_the_files_that_are_read_are_those_that_somebody_writes() -> None:
    names = {short(path) for path in words.files()}
    assert {"README.md", "spikecheck/monitor.py", "docs/architecture.md", "tests/README.md"} <= names
    assert not any(name.startswith("docs/checks/") for name in names)
