"""Text that comes from a model or a file, as what a page can hold and its reader can see."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

# Controls but for tab and newline, spaces of no width, marks of direction, lone surrogates, what is no character.
UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def visible(value: Any) -> Any:
    """A text with what cannot be seen as its number; Markup is ours, and passes, as does what is no text."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", value)
    return value
