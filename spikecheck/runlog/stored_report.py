"""Read the reports of runs from files, logs or reports in JSON, and compare them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from spikecheck.errors import SpikecheckError
from spikecheck.evidence.evidence import CONTRADICTIONS
from spikecheck.outside_text import safe
from spikecheck.report.comparison import Comparison, compare
from spikecheck.report.model import SCHEMA
from spikecheck.runlog.reader import read_log
from spikecheck.settings import Settings


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the report in a file, in the form of `Report.to_dict`; of several in it, the last one.

    Raises:
        SpikecheckError: the file cannot be read, or holds neither a log nor a report.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SpikecheckError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError):  # several lines of JSON are none
        return read_log(path)[-1].report(Settings.load()).to_dict()
    reports = content.get("files", [{"report": content}]) if isinstance(content, dict) else []
    made = [one["report"] for one in reports if isinstance(one, dict) and isinstance(one.get("report"), dict)]
    if not made:
        raise SpikecheckError(f"{path} holds no report: pass a log, or a report in JSON")
    return checked(made[-1], path)


def checked(report: dict[str, Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a report with printable texts; SpikecheckError where it is of a newer version."""
    version = report.get("schema")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA:
        raise SpikecheckError(f"{path} is a report of version {version!r}, and this spikecheck reads {SCHEMA}")
    clean: dict[str, Any] = printable(report)
    return clean


def printable(value: Any) -> Any:
    """Return plain values with every text as one line that can be shown."""
    if isinstance(value, dict):
        return {safe(key): printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [printable(item) for item in value]
    return safe(value) if isinstance(value, str) else value


def compare_files(first: str, second: str) -> Comparison:
    """Return what differs in the second file.

    Raises:
        SpikecheckError: a file cannot be read, or is not a report as spikecheck writes it.
    """
    reports = read_report(first), read_report(second)
    names = (Path(first).name, Path(second).name)
    try:
        return compare(*reports, names if names[0] != names[1] else (first, second))
    except CONTRADICTIONS as error:
        raise SpikecheckError(
            f"{first} and {second} cannot be compared: a part of a report is missing or has another form "
            f"({type(error).__name__}: {error})"
        ) from error
