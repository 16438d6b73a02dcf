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


def of_rank(file: str, rank: int | None) -> str:
    """Return the name of a rank's file: report.rank1.html; rank 0 and a single process use the name as it is."""
    if not rank or file == "-":
        return file
    path = Path(file)
    return str(path.with_name(f"{path.stem}.rank{rank}{path.suffix}"))
