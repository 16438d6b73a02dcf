"""Text from a model or a file, with invisible characters made visible."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

# Control characters except tab and newline, zero-width spaces, direction marks, lone surrogates, noncharacters.
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def visible(value: Any) -> Any:
    """Return a text with invisible characters as escapes; markup of our own and other types are returned unchanged."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
    return value
