"""Text for a stream that cannot show every character: a Windows console, a log in ASCII."""

from __future__ import annotations

import codecs

ASCII = {
    "·": "-",
    "×": "x",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "±": "+/-",
    "→": "->",
    "←": "<-",
    "√": "sqrt",
    "∞": "inf",
    "µ": "u",
    "…": "...",
    "–": "-",
    "—": "-",
    "─": "-",
    "━": "-",
    "│": "|",
    "•": "*",
    "\u201c": '"',
    "\u201d": '"',
    "\u2019": "'",
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
}
ERRORS = "spikecheck"  # the name of the error handler


def encodable(text: str, encoding: str | None) -> str:
    """Return a text in characters that an encoding has, with ASCII in place of the others; None has all of them."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        codecs.register_error(ERRORS, ascii_instead)
        return text.encode(encoding or "utf-8", ERRORS).decode(encoding or "utf-8")
    except LookupError:  # no encoding is called so
        return text
    return text


def ascii_instead(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII for what an encoding lacks: an error handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(ASCII.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lacking), error.end
