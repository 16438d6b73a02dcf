"""The reports on several files as one JSON object, as schema-1.json in this folder describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from spikecheck.report.as_dict import plain
from spikecheck.report.model import Report
from spikecheck.stored import ChangeReading

SCHEMA = 1
Changes = tuple[ChangeReading, ...]


def to_json(files: Iterable[tuple[str, Report | None, str]], against: str, changes: Mapping[str, Changes]) -> str:
    """Return several files, each given as name, report and error, with their changes since `against`, as JSON."""
    entries = [
        {
            "file": name,
            "error": error or None,
            "report": None if report is None else report.to_dict(),
            "changes": changed(against, changes[name]) if name in changes else None,
        }
        for name, report, error in files
    ]
    return json.dumps(plain({"schema": SCHEMA, "files": entries}), indent=2, allow_nan=False)


def changed(against: str, changes: Changes) -> dict[str, Any]:
    """Return the changes of each tensor as JSON can hold them."""
    return {"against": against, "tensors": [asdict(change) for change in changes]}
