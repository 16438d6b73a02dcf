"""How numbers are written in a sentence: the one place for findings, tables and pages.

Format specifications that a template may use, beside Python's own:

    {count}     a number without a specification: as {count:n}
    {value:n}   at most 3 significant digits, thousands separated, no trailing zeros: 80,300 / 0.0312 / 1.5
    {value:.2n} at most 2 significant digits
    {value:#n}  exactly 3 significant digits, for numbers that stand beside each other: 3.00
    {value:+n}  with its sign
    {share:%}   a share as a percentage a person reads: 97%, 0.4%, never 100% for less than all
    {ratio:x}   how many times: 9.3x

Of several things, 0 is written as a word: a template says `{count} of {samples} samples`, and the text "none of 64
samples". After a number that is written as 1, the thing that is counted is in the singular: a template says
`{count} time steps are`, and the text "1 time step is".

A whole number below a million is a count and keeps all of its digits: 12,288. From a million on, a number is written in
words (1.23 million); below 0.0001 and from a trillion on, as a power of ten (4.5e-5).
"""

from __future__ import annotations

import re
from math import isfinite, log10
from string import Formatter
from typing import Any

SPECIFICATION = re.compile(r"(?P<sign>\+?)(?P<padded>#?)(?:\.(?P<digits>\d+))?(?P<kind>[nx])|(?P<percent>%)")
DIGITS = {"n": 3, "x": 2}
WORDS = ((1e9, "billion"), (1e6, "million"))
SMALLEST, LARGEST, COUNTS_BELOW = 1e-4, 1e12, 1_000_000

#: What is counted in texts. A house test reads the templates of the checks for anything that is missing here.
THINGS = (
    r"(?:(?P<thing>batch|class|loss|pass)es|(?P<other>bin|call|channel|label|layer|neuron|output|parameter|row|sample|"
    r"sequence|spike|step|target|threshold|update|value|weight)s)\b"
)
#: Verbs after what is counted.
VERBS = {
    "are": "is",
    "were": "was",
    "have": "has",
    **{verb: f"{verb}s" for verb in ("average", "contain", "differ", "fire", "give", "hold", "sum")},
}
COUNTED = re.compile(rf"(?P<adjectives> (?:[a-z-]+ ){{0,2}}?){THINGS}(?: (?P<verb>{'|'.join(VERBS)})\b)?")


def number(value: float, digits: int = 3, *, padded: bool = False) -> str:
    """Return a `value` as a sentence shows it: with so many significant `digits`, thousands separated.

    Zeros at the end are left out unless it is `padded`: 1.5 or 1.50.
    """
    if isinstance(value, int) and abs(value) < COUNTS_BELOW:
        return f"{value:,}"
    if not isfinite(value) or value == 0:
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")
    size = abs(rounded)
    if size < SMALLEST or size >= LARGEST:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        return f"{trimmed(mantissa, padded)}e{int(exponent)}"
    for unit, word in WORDS:
        if size >= unit:
            return f"{number(rounded / unit, digits, padded=padded)} {word}"
    decimals = max(0, digits - 1 - int(log10(size) // 1))
    return trimmed(f"{rounded:,.{decimals}f}", padded)


def trimmed(text: str, padded: bool) -> str:
    """Return a decimal number without its trailing zeros, unless they are wanted."""
    return text if padded or "." not in text else text.rstrip("0").rstrip(".")


def percentage(share: float) -> str:
    """Return a `share` of 1 as a percentage; less than all never rounds to 100%, and more than nothing never to 0%."""
    percent = 100 * share
    if not isfinite(percent):
        return f"{percent:g}%"
    whole = round(percent)
    if 1 <= abs(percent) <= 99 or percent == whole:
        return f"{number(whole)}%"
    if 99 < percent < 100:
        texts = (f"{percent:.{decimals}f}%" for decimals in range(1, 16))
        return next((text for text in texts if not text.startswith("100")), "100%")
    return f"{number(percent, 3 if abs(percent) > 100 else 2)}%"


class PhraseFormatter(Formatter):
    """Fills a template: numbers are written as this module says, everything else as `str.format` writes it."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return one number of a template as text."""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        parts = SPECIFICATION.fullmatch(format_spec or "n") if is_number else None
        if parts is None:
            return str(super().format_field(value, format_spec))
        if parts["percent"]:
            return percentage(value)
        digits = int(parts["digits"] or DIGITS[parts["kind"]])
        text = number(value, digits, padded=bool(parts["padded"]))
        sign = "+" if parts["sign"] and not text.startswith("-") else ""
        return sign + text + ("x" if parts["kind"] == "x" else "")


FORMATTER = PhraseFormatter()


def fill(template: str, /, **values: Any) -> str:
    """Return a template with its values filled in."""
    texts, counts_one = [], False
    parts = list(FORMATTER.parse(template))
    following = [*(literal for literal, *_ in parts[1:]), ""]
    for (literal, name, format_spec, conversion), after in zip(parts, following, strict=False):
        texts.append(in_singular(literal) if counts_one else literal)
        if name is None:
            counts_one = False
            continue
        value, _ = FORMATTER.get_field(name, (), values)
        text = FORMATTER.format_field(FORMATTER.convert_field(value, conversion), format_spec or "")
        texts.append("none" if text == "0" and after == " of " else text)
        counts_one = text == "1" and isinstance(value, int | float)
    return "".join(texts)


def in_singular(text: str) -> str:
    """Return what follows the number 1, with the thing that is counted and its verb in the singular."""
    match = COUNTED.match(text)
    if match is None:
        return text
    verb = f" {VERBS[match['verb']]}" if match["verb"] else ""
    return match["adjectives"] + (match["thing"] or match["other"]) + verb + text[match.end() :]
