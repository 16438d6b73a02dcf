"""Diagnose a checkpoint without its model: a file in, a report out."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import torch

from spikecheck.checkpoint.content import MAX_TENSORS, Content
from spikecheck.checkpoint.observations import Scanned, counted_updates, observe, tensors_to_scan
from spikecheck.checkpoint.read import Checkpoint, open_checkpoint, refused_if_too_large
from spikecheck.checkpoint.scan import scan
from spikecheck.checkpoint.stored_run import with_run
from spikecheck.checks.discovery import unusable_extensions
from spikecheck.checks.judge import Judge
from spikecheck.errors import SpikecheckError, UnreadableError
from spikecheck.finding import Unseen, UnseenKind, Verdict
from spikecheck.outside_text import safe
from spikecheck.report.model import Report
from spikecheck.report.rows import weight_rows
from spikecheck.settings import Settings
from spikecheck.site import FILE_KINDS, Moment

MIN_TORCH = (2, 10)  # older ones have known vulnerabilities in torch.load(weights_only=True)
MAX_LISTED = 8
OWN_ERROR = "an error of spikecheck itself while reading it, please report it"

Advance = Callable[[int, int], object]
Then = Callable[[Report, Content], Report]


def ignore_progress(done: int, size: int) -> None:
    """Do nothing with the progress."""


def unchanged(report: Report, content: Content) -> Report:
    """Return the report as it is."""
    return report


@dataclass(frozen=True)
class Scan:
    """A file, and the statistics of its tensors."""

    checkpoint: Checkpoint
    statistics: Scanned


def scan_file(path: Path | BinaryIO, *, unsafe_pickle: bool = False, advance: Advance = ignore_progress) -> Scan:
    """Read a file once, and compute the statistics of all its tensors; UnreadableError if it cannot be read."""
    with refused_if_too_large(), open_checkpoint(path, unsafe_pickle=unsafe_pickle) as checkpoint:
        if not checkpoint.content.tensors and checkpoint.content.evidence is None:
            names = ", ".join(checkpoint.refused[:MAX_LISTED])
            if checkpoint.content.optimizers:
                raise UnreadableError(
                    f"{checkpoint.format} with the state of an optimizer alone: pass the checkpoint that has the model"
                )
            unread = f"; objects that were not loaded: {names}" if names else ""
            raise UnreadableError(f"{checkpoint.format} without any tensor: nothing to diagnose{unread}")
        with torch.no_grad():
            statistics = scan(tensors_to_scan(checkpoint.content), lambda done: advance(done, checkpoint.size))
        return Scan(checkpoint, statistics)


def diagnose_file(
    path: str | Path | BinaryIO,
    *,
    unsafe_pickle: bool = False,
    settings: Settings | Mapping[str, Any] | None = None,
    advance: Advance = ignore_progress,
    then: Then = unchanged,
) -> Report:
    """Diagnose a checkpoint without its model; no code in the file is executed.

    Args:
        path: the file, or a regular file that is open for reading.
        unsafe_pickle: load it with torch, and execute the code in it. Only for a file that you made yourself.
        settings: limits and ignore rules, or a dict of the same; by default those of the nearest pyproject.toml.
        advance: called with the number of bytes read and the size of the file.
        then: called with the report and the content of the file; returns the final report.

    Raises:
        UnreadableError: the file cannot be read; the message says why.
    """
    chosen = Path(path) if isinstance(path, str) else path
    name = chosen.name if isinstance(chosen, Path) else "standard input"
    used = Settings.of(settings)
    try:
        scanned = scan_file(chosen, unsafe_pickle=unsafe_pickle, advance=advance)
        report = make_report(scanned, safe(name), used)
    except SpikecheckError:
        raise
    except Exception as error:
        raise UnreadableError(f"{OWN_ERROR}: {place_of_error(error)}") from error
    return then(report, scanned.checkpoint.content)


def place_of_error(error: Exception) -> str:
    """Return an error and where it was raised, in a line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {safe(str(error))} ({Path(frame.filename).name}, line {frame.lineno})"


def make_report(scanned: Scan, name: str, settings: Settings) -> Report:
    """Return the report on a scanned file."""
    judge = Judge.of(settings)
    judge = replace(judge, checks=tuple(check for check in judge.checks if check.sites & FILE_KINDS))
    content = scanned.checkpoint.content
    with refused_if_too_large():
        observations = observe(content, scanned.statistics, scanned.checkpoint.executable)
        verdicts = tuple(map(without_date, judge.verdicts(observations)))
    report = Report.of(
        verdicts,
        subject=headline(name, scanned.checkpoint),
        unseen=(
            *(Unseen(UnseenKind.FILE_LIMIT, text) for text in limits_reached(scanned)),
            *(Unseen(UnseenKind.FILE_CONTENT, text) for text in unseen(scanned)),
            *judge.settings_without_effect(observations),
            *(Unseen(UnseenKind.EXTENSION, str(one)) for one in unusable_extensions()),
        ),
        updates=observations.run.update,
        weights=weight_rows(observations.sites, observations.readings),
    )
    if content.evidence is None:
        return report
    return with_run(report, content.evidence, settings, safe, counted_updates(content, scanned.statistics))


def without_date(verdict: Verdict) -> Verdict:
    """Return the verdict, its findings without a date: a file does not say since when they hold."""
    when = Moment(stored=True)
    return replace(verdict, findings=tuple(replace(finding, when=when) for finding in verdict.findings))


def headline(name: str, checkpoint: Checkpoint) -> str:
    """Return the file in one line."""
    content = checkpoint.content
    counters = [f"{key.replace('_', ' ')} {value}" for key, value in content.counters.items()][:1]
    plural = "" if len(content.tensors) == 1 else "s"
    size = checkpoint.size
    amount = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
    parts = [name, checkpoint.format, f"{len(content.tensors):,} tensor{plural}", amount, *counters]
    return " · ".join(["spikecheck", *parts])


def limits_reached(scanned: Scan) -> tuple[str, ...]:
    """Return which tensors were not looked at, in sentences: a file with any is not called healthy."""
    content, lines = scanned.checkpoint.content, []
    if content.unread:
        lines.append(f"{content.unread:,} tensors were not checked: the file holds more than {MAX_TENSORS:,}")
    refs = [*content.tensors.items(), *((n, r) for one in content.optimizers for n, r in one.tensors())]
    skipped = [n for n, r in refs if r.storage.record and 0 not in r.shape and not scanned.statistics[r].state.elements]
    if skipped:
        lines.append(
            f"{len(skipped):,} tensors ({skipped[0]}, ...) were not checked: too many tensors share the same bytes"
        )
    return tuple(lines)


def unseen(scanned: Scan) -> tuple[str, ...]:
    """Return what was not read, or not as it stands, in sentences."""
    lines = []
    if scanned.checkpoint.refused:
        names = list(scanned.checkpoint.refused)
        more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
        lines.append(
            f"objects of {', '.join(names[:MAX_LISTED])}{more} were not loaded: nothing in the file was executed"
        )
    remarks: dict[str, list[str]] = {}
    for name, ref in scanned.checkpoint.content.tensors.items():
        if ref.remark:
            remarks.setdefault(ref.remark, []).append(name)
    lines += [f"{', '.join(names[:MAX_LISTED])}: {remark}" for remark, names in remarks.items()]
    lines += scanned.checkpoint.remarks
    version = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if version is not None and (int(version[1]), int(version[2])) < MIN_TORCH:
        lines.append(f"torch {version[0]} has known vulnerabilities in torch.load(weights_only=True): update it")
    return tuple(lines)
