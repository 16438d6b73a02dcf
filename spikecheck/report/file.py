"""Puts a report, in whatever form, where the user wants it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from spikecheck.errors import SpikecheckError


def write(path: str | PathLike[str], text: str) -> None:
    """Write a text; SpikecheckError where that is not possible."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpikecheckError(f"{path} cannot be written: {error.strerror}") from error
