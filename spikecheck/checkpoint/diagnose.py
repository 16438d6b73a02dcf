"""A file in, a report out: the judgement on a checkpoint, without its model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import torch

from spikecheck.checkpoint.content import Content
from spikecheck.checkpoint.observations import Counted, evidence, refs, steps
from spikecheck.checkpoint.read import Checkpoint, open_checkpoint
from spikecheck.checkpoint.scan import scan
from spikecheck.checkpoint.stored_run import with_run
from spikecheck.checks.discovery import unusable_extensions
from spikecheck.checks.judge import Judge
from spikecheck.errors import UnreadableError
from spikecheck.finding import Unseen, UnseenKind, Verdict
from spikecheck.report.model import Report
from spikecheck.report.rows import weight_rows
from spikecheck.settings import Settings
from spikecheck.site import FILE_KINDS, Moment

LEAST_TORCH = (2, 10)  # before, loading "weights only" has known holes
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST = 200
SHOWN = 8

Advance = Callable[[int, int], object]
Then = Callable[[Report, Content], Report]


def nobody(done: int, size: int) -> None:
    """Be told of the bytes read, and do nothing."""


def unchanged(report: Report, content: Content) -> Report:
    """The report as it is."""
    return report


@dataclass(frozen=True)
class Counts:
    """A file and what was counted of it."""

    checkpoint: Checkpoint
    counted: Counted


def count(path: Path | BinaryIO, *, unsafe_pickle: bool = False, advance: Advance = nobody) -> Counts:
    """Read a file once and count all its tensors; UnreadableError where it cannot be read."""
    with open_checkpoint(path, unsafe_pickle=unsafe_pickle) as checkpoint:
        checkpoint.content = shown(checkpoint.content)
        if not checkpoint.content.tensors and checkpoint.content.evidence is None:
            names = f"; not loaded: {', '.join(map(safe, checkpoint.refused[:SHOWN]))}" if checkpoint.refused else ""
            raise UnreadableError(f"{checkpoint.format}, but it holds no tensor{names}")
        with torch.no_grad():
            counted = scan(refs(checkpoint.content), lambda done: advance(done, checkpoint.size))
        return Counts(checkpoint, counted)


def diagnose_file(
    path: str | Path | BinaryIO,
    *,
    unsafe_pickle: bool = False,
    settings: Settings | Mapping[str, Any] | None = None,
    advance: Advance = nobody,
    then: Then = unchanged,
) -> Report:
    """Diagnose a checkpoint without its model; nothing that the file carries is run.

    Args:
        path: the file, or a regular file that is open for reading.
        unsafe_pickle: load it with torch, and run what it carries. Only for a file that you made yourself.
        settings: limits and what to ignore, or a dict of the same; the nearest pyproject.toml's by default.
        advance: is told of the bytes read, and of the file's size.
        then: makes of the report and of what the file holds the report that is wanted.

    Raises:
        UnreadableError: the file cannot be read; the message says why.
    """
    chosen = Path(path) if isinstance(path, str) else path
    name = chosen.name if isinstance(chosen, Path) else "standard input"
    counts = count(chosen, unsafe_pickle=unsafe_pickle, advance=advance)
    report = reported(counts, safe(name), Settings.of(settings))
    return then(report, counts.checkpoint.content)


def reported(counts: Counts, name: str, settings: Settings) -> Report:
    """The report on what was counted."""
    judge = Judge.of(settings)
    judge = replace(judge, checks=tuple(check for check in judge.checks if check.sites & FILE_KINDS))
    found = evidence(counts.checkpoint.content, counts.counted)
    verdicts = tuple(map(undated, judge.verdicts(found)))
    report = Report.of(
        verdicts,
        subject=headline(name, counts.checkpoint),
        unseen=(
            *(Unseen(UnseenKind.FILE_CONTENT, text) for text in unseen(counts)),
            *judge.settings_without_effect(found),
            *(Unseen(UnseenKind.EXTENSION, str(one)) for one in unusable_extensions()),
        ),
        updates=found.run.update,
        weights=weight_rows(found.sites, found.readings),
    )
    state = counts.checkpoint.content.evidence
    if state is None:
        return report
    return with_run(report, state, settings, safe, steps(counts.checkpoint.content, counts.counted))


def undated(verdict: Verdict) -> Verdict:
    """The verdict, its findings dated by the file, which does not say since when."""
    when = Moment(stored=True)
    return replace(verdict, findings=tuple(replace(finding, when=when) for finding in verdict.findings))


def headline(name: str, checkpoint: Checkpoint) -> str:
    """The file in one line."""
    content = checkpoint.content
    counters = [f"{key.replace('_', ' ')} {value}" for key, value in content.counters.items()][:1]
    plural = "" if len(content.tensors) == 1 else "s"
    size = checkpoint.size
    amount = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
    parts = [name, checkpoint.format, f"{len(content.tensors)} tensor{plural}", amount, *counters]
    return " · ".join(["spikecheck", *parts])


def unseen(counts: Counts) -> tuple[str, ...]:
    """What was not read, or not as it stands."""
    said = []
    if counts.checkpoint.refused:
        names = [safe(name) for name in counts.checkpoint.refused]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        said.append(f"objects of {', '.join(names[:SHOWN])}{more}: inert stand-ins took their place, nothing was run")
    remarks: dict[str, list[str]] = {}
    for name, ref in counts.checkpoint.content.tensors.items():
        if ref.remark:
            remarks.setdefault(ref.remark, []).append(name)
    said += [f"{', '.join(names[:SHOWN])}: {remark}" for remark, names in remarks.items()]
    said += counts.checkpoint.remarks
    refs = counts.checkpoint.content.tensors.items()
    missed = [n for n, r in refs if r.storage.record and 0 not in r.shape and not counts.counted[r].state.elements]
    if missed:
        said.append(
            f"{len(missed)} tensors ({missed[0]}, ...): views of bytes that were looked at several times already"
        )
    version = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if version is not None and (int(version[1]), int(version[2])) < LEAST_TORCH:
        said.append(f"torch {version[0]} has known holes in torch.load(weights_only=True): update before you load this")
    return tuple(said)


def shown(content: Content) -> Content:
    """The content with names that a terminal can be trusted with."""
    tensors = {}
    for name, ref in content.tensors.items():
        clean = safe(name)
        while clean in tensors:
            clean += "'"
        tensors[clean] = ref
    return replace(content, tensors=tensors)


def safe(name: str) -> str:
    """A name without control characters, of a bearable length."""
    clean = CONTROL.sub(lambda found: ascii(found[0])[1:-1], name)
    return clean if len(clean) <= LONGEST else f"{clean[: LONGEST // 2]}…{clean[-LONGEST // 2 :]}"
