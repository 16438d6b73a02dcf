"""How numbers are written in a sentence: a table."""

from __future__ import annotations

import pytest

from spikecheck.finding import Phrase
from spikecheck.number_format import fill


@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        ("{v}", 12288, "12,288"),
        ("{v}", 0, "0"),
        ("{v}", 1234567, "1.23 million"),
        ("{v}", "lif1", "lif1"),
        ("{v}", True, "True"),
        ("{v}", None, "None"),
        ("{v:n}", 80340.0, "80,300"),
        ("{v:n}", 999.7, "1,000"),
        ("{v:n}", 999_999.0, "1 million"),
        ("{v:n}", 2.5e9, "2.5 billion"),
        ("{v:n}", 3e15, f"3e{15}"),
        ("{v:n}", 0.03123, "0.0312"),
        ("{v:n}", 0.000123, "0.000123"),
        ("{v:n}", 4.5e-5, "4.5e-5"),
        ("{v:n}", 1.5, "1.5"),
        ("{v:n}", -2.0, "-2"),
        ("{v:n}", float("inf"), "inf"),
        ("{v:n}", float("nan"), "nan"),
        ("{v:.2n}", 9.32, "9.3"),
        ("{v:#n}", 3.0, "3.00"),
        ("{v:#n}", 3.1994, "3.20"),
        ("{v:+n}", 0.25, "+0.25"),
        ("{v:+n}", -0.25, "-0.25"),
        ("{v:x}", 9.32, "9.3x"),
        ("{v:x}", 1234.0, "1,200x"),
        ("{v:%}", 0.968, "97%"),
        ("{v:%}", 1.0, "100%"),
        ("{v:%}", 1, "100%"),
        ("{v:%}", 0.0, "0%"),
        ("{v:%}", 0.00367, "0.37%"),
        ("{v:%}", 0.9967, "99.7%"),
        ("{v:%}", 0.99999, "99.999%"),
        ("{v:%}", 3.2, "320%"),
        ("{v:.1%}", 0.5, "50.0%"),
        ("{v:.3f}", 0.5, "0.500"),
    ],
)
def test_a_number_in_a_sentence(template: str, value: object, text: str) -> None:
    assert fill(template, v=value) == text


def test_a_phrase_keeps_the_numbers_beside_the_text() -> None:
    phrase = Phrase("a loss of {loss:n}", loss=2.99573)
    assert phrase.text == "a loss of 3"
    assert phrase.numbers["loss"] == 2.99573


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 spiking layers with none of 0 classes; 0 labels are 0"),
        (1, "1 spiking layer with 1 of 1 class; 1 label is 1"),
        (1.0, "1 spiking layer with 1 of 1 class; 1 label is 1"),
        (1.5, "1.5 spiking layers with 1.5 of 1.5 classes; 1.5 labels are 1.5"),
        (2, "2 spiking layers with 2 of 2 classes; 2 labels are 2"),
        ("1", "1 spiking layers with 1 of 1 classes; 1 labels are 1"),
    ],
)
def test_one_of_a_thing_is_in_the_singular(count: object, text: str) -> None:
    """A name that reads like the number 1 is not a count."""
    assert fill("{n} spiking layers with {n} of {n} classes; {n} labels are {n}", n=count) == text


def test_doubled_braces_end_no_count() -> None:
    assert fill("{n} {{layers}} of {n} steps", n=1) == "1 {layers} of 1 step"
