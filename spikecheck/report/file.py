"""Writing a report to a file."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from spikecheck.errors import SpikecheckError

if TYPE_CHECKING:
    from spikecheck.report.model import Report

PAGE = ".html"


def write(path: str | PathLike[str], text: str) -> None:
    """Write a text to a file.

    Raises:
        SpikecheckError: the file cannot be written.
    """
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpikecheckError(f"{path} cannot be written: {error.strerror}") from error


def write_report(path: Path, report: Report) -> None:
    """Write a report as a page, JSON or text, as the suffix of the file says: .html, .json, or any other.

    Raises:
        SpikecheckError: the file cannot be written, or a page needs a library that is not installed.
    """
    if path.suffix == PAGE:
        report.to_html(path)
    else:
        write(path, report.to_json() if path.suffix == ".json" else f"{report}\n")


def require_for(path: str | PathLike[str]) -> None:
    """Raise SpikecheckError if this file is to be a page and a library is missing: called before the run begins."""
    if Path(path).suffix == PAGE:
        from spikecheck.report import html

        html.required()


def of_rank(file: str, rank: int | None) -> str:
    """Return the name of a rank's file: report.rank1.html; rank 0 and a single process use the name as it is."""
    if not rank or file == "-":
        return file
    path = Path(file)
    return str(path.with_name(f"{path.stem}.rank{rank}{path.suffix}"))
