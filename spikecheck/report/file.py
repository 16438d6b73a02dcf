"""Writing a report to a file."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from spikecheck.errors import SpikecheckError


def write(path: str | PathLike[str], text: str) -> None:
    """Write a text to a file.

    Raises:
        SpikecheckError: the file cannot be written.
    """
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpikecheckError(f"{path} cannot be written: {error.strerror}") from error
