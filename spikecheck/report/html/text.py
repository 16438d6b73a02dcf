"""Texts for the page: with invisible characters made visible, and code in a sentence marked as such."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

# Control characters except tab and newline, zero-width spaces, direction marks, lone surrogates, noncharacters.
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


CODE = re.compile(r"`([^`]+)`")


def paragraphs(text: str) -> list[Markup]:
    """Return the paragraphs of a text of ours or of another package, escaped, with what is in backticks as code."""
    escaped = (str(escape(visible(part))) for part in text.split("\n\n"))
    return [Markup(CODE.sub(r"<code>\1</code>", part)) for part in escaped]


def visible(value: Any) -> Any:
    """Return a text with invisible characters as escapes; markup of our own and other types are returned unchanged."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
    return value
