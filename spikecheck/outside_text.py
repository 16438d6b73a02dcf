"""Escape and shorten text from outside, in the one place where it enters: names in files and models, errors of others.

A name in a checkpoint, a module's path or the text of another package's exception may contain anything: sequences that
a terminal obeys, marks that reverse the direction of writing, halves of characters that no encoding has, line feeds
that imitate our own output, or three million letters. After `safe` it is one short line of printable characters, so no
view has to know about it.
"""

from __future__ import annotations

MAX_LENGTH = 200  # a judgment call: longer than any module path that people write, and still two lines of a terminal
MAX_SENTENCE = 380  # of a message that contains such names


def safe(text: str, limit: int = MAX_LENGTH) -> str:
    """Return a text as one line of printable characters, its middle left out where it is very long."""
    short = shortened(text, limit)
    return short if short.isprintable() else shortened("".join(map(escaped, short)), limit)


def escaped(character: str) -> str:
    """Return a character, or its escape sequence if nobody can see it."""
    return character if character.isprintable() else ascii(character)[1:-1]


def shortened(text: str, limit: int = MAX_LENGTH) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[len(text) - limit // 2 + 1 :]}"


class UniqueNames:
    """Hand out names that are all different: the second "a" becomes "a (2)"."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.next: dict[str, int] = {}  # by name, so that a million equal names take a million steps

    def add(self, name: str) -> str:
        """Return the name, numbered if it is taken."""
        result = name
        while result in self.used:
            self.next[name] = self.next.get(name, 1) + 1
            result = f"{name} ({self.next[name]})"
        self.used.add(result)
        return result
