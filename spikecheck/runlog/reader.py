"""Read the log of a run, of any machine: torn lines are left out, and nothing in it is trusted."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikecheck.errors import EvidenceError, SpikecheckError
from spikecheck.evidence.evidence import CONTRADICTIONS, Evidence
from spikecheck.finding import Unseen, UnseenKind
from spikecheck.outside_text import safe
from spikecheck.report.format import counted
from spikecheck.report.model import Report
from spikecheck.runlog.file import previous_part
from spikecheck.runlog.writer import SCHEMA
from spikecheck.settings import Settings
from spikecheck.timelines import TimelinePoint

MAX_LINE = 1 << 27  # bytes; more than any line that is written
MAX_POINTS = 1024  # of a run that are kept: then every second of them is left out
MAX_FINDINGS = 1000
Line = dict[str, Any]


@dataclass(frozen=True)
class LoggedCause:
    """A root cause of which the user was told while the run trained."""

    check: str
    severity: str
    site: str
    message: str
    update: int


@dataclass
class LoggedRun:
    """What a log says of one run."""

    id: str
    start: Line = field(default_factory=dict)
    points: list[Line] = field(default_factory=list)
    findings: dict[tuple[str, str], Line] = field(default_factory=dict)  # that hold, by check and site
    update: int = 0
    seconds: float = 0.0
    evidence: Line | None = None  # of the latest state
    state_update: int = 0
    ending: Line | None = None

    def take(self, line: Line) -> None:
        """Take one line; SpikecheckError where it is of a newer version."""
        kind = line.get("line")
        if kind == "start":
            version = line.get("schema")
            if version != SCHEMA:
                raise SpikecheckError(
                    f"the log has version {version!r}, and this spikecheck reads {SCHEMA}: update spikecheck"
                )
            self.start = line
        elif kind == "point":
            self.points.append(line)
            self.seconds = number(line.get("seconds"))
            if len(self.points) > MAX_POINTS:
                self.points = self.points[::2]
        elif kind == "finding" and len(self.findings) < MAX_FINDINGS:
            cause = part(line, "finding")
            self.findings[text(cause, "check"), text(cause, "site")] = line
        elif kind == "over":
            self.findings.pop((text(line, "check"), text(line, "site")), None)
        elif kind == "state":
            self.evidence, self.state_update = part(line, "evidence"), whole(line.get("update"))
        elif kind == "end":
            self.ending = line
        self.update = max(self.update, whole(line.get("update", 0)))

    @property
    def name(self) -> str:
        """The run as a user reads it: net (Net)."""
        variable, model = text(self.start, "variable"), text(self.start, "model")
        return f"{variable} ({model})" if model else "a run"

    @property
    def session(self) -> str:
        """The process that wrote it."""
        return text(self.start, "session")

    @property
    def headline(self) -> str:
        """The run in one line: what it is, when it began, and how it ended."""
        begun = text(self.start, "started").replace("T", " ").replace("Z", " UTC")
        if self.ending is None:
            how = f"no end: it still trains, or was killed after {counted(self.update, 'update')}"
        else:
            how = f"ended after {counted(self.update, 'update')}" + (f" by {self.error}" if self.error else "")
        return " · ".join(filter(None, [self.name, begun and f"begun {begun}", how]))

    @property
    def error(self) -> str:
        """The exception that ended the run; "" without one."""
        return "" if self.ending is None else text(self.ending, "error")

    def places(self, quantity: str) -> list[str]:
        """Return the places that a quantity of the points was measured at, in their order."""
        names = (name for line in self.points for name in part(line, quantity))
        return list(dict.fromkeys(safe(name) for name in names))

    def course(self, quantity: str, place: str, intervals: int) -> list[TimelinePoint]:
        """Return a quantity over the run in so many intervals of updates at most: the points in each, averaged."""
        width = max(1, -(-(self.update + 1) // intervals))
        values: dict[int, list[object]] = {}
        for line in self.points:
            of = {safe(name): value for name, value in part(line, quantity).items()}
            if place in of:
                values.setdefault(whole(line.get("update")) // width, []).append(of[place])
        points = []
        for at, here in sorted(values.items()):
            finite = [number(value) for value in here if value is not None]
            mean = sum(finite) / len(finite) if finite else None
            points.append(TimelinePoint(at * width, (at + 1) * width - 1, len(here), mean))
        return points

    def causes(self) -> list[LoggedCause]:
        """Return the root causes that hold, as the user was told of them."""
        causes = []
        for line in self.findings.values():
            finding = part(line, "finding")
            check, severity, site, message = (text(finding, n) for n in ("check", "severity", "site", "message"))
            causes.append(LoggedCause(check, severity, site, message, whole(line.get("update"))))
        return causes

    def report(self, settings: Settings) -> Report:
        """Return the report on the latest state in the log.

        Raises:
            SpikecheckError: there is none yet, or it cannot be used.
        """
        if self.evidence is None:
            raise SpikecheckError(f"{self.name}: the log holds no state yet; the first one comes with the first update")
        try:
            evidence = Evidence.from_state_dict(self.evidence, safe)
            report = evidence.report(evidence.judge(settings))
            report.to_json()
            str(report)
        except CONTRADICTIONS as error:
            raise EvidenceError(f"{self.name}: its numbers contradict each other ({type(error).__name__})") from error
        if self.ending is not None or self.update <= report.updates:
            return report
        left = f"the log holds {counted(self.update, 'update')}, its latest state is of update {report.updates:,}"
        kind = UnseenKind.OTHER if report.updates else UnseenKind.UPDATE
        return report.with_unseen(Unseen(kind, f"{left}: later ones are in its points and findings alone"))


class LogReader:
    """Reads a log, and what is appended to it later."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.runs: dict[str, LoggedRun] = {}
        self._inode, self._offset = 0, 0

    def advance(self) -> None:
        """Read what was written since the last time; a last line without its end is left for the next time.

        Raises:
            SpikecheckError: the file cannot be read, or is of a newer version.
        """
        try:
            if not self._inode and previous_part(self.path).is_file():
                self._read(previous_part(self.path), 0)
            inode = self.path.stat().st_ino
            if self._inode and inode != self._inode:  # it was renamed meanwhile: first the rest of the part before
                self._read(previous_part(self.path), self._offset)
                self._offset = 0
            self._inode, self._offset = inode, self._read(self.path, self._offset)
        except OSError as error:
            raise SpikecheckError(f"{self.path} cannot be read: {error.strerror}") from error

    def _read(self, path: Path, offset: int) -> int:
        """Read the whole lines behind an offset, and return where they end."""
        with path.open("rb") as file:
            file.seek(offset)
            while (line := file.readline(MAX_LINE)).endswith(b"\n"):
                offset += len(line)
                self._take(line)
        return offset

    def _take(self, line: bytes) -> None:
        """Take one line; what is torn or no line of ours is left out."""
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(content, dict) and isinstance(id_ := content.get("run"), str):
            self.runs.setdefault(id_, LoggedRun(id_)).take(content)

    def latest(self) -> list[LoggedRun]:
        """Return the runs of the latest process; of these, the ones that made updates, if any did."""
        every = [run for run in self.runs.values() if run.start]
        latest = [run for run in every if run.session == every[-1].session]
        return [run for run in latest if run.update] or latest


def read_log(path: str | os.PathLike[str], *, every: bool = False) -> list[LoggedRun]:
    """Return the runs of the latest process in a log, or `every` run, in the order in which they began.

    Raises:
        SpikecheckError: there is no such file, it holds no run, or it is of a newer version.
    """
    reader = LogReader(path)
    reader.advance()
    if not reader.runs:
        raise SpikecheckError(f"{path} holds no run: is it a log that spikecheck wrote?")
    return list(reader.runs.values()) if every else reader.latest()


def text(line: Line, name: str) -> str:
    """Return a text of a line, printable; "" where there is none."""
    value = line.get(name)
    return safe(value) if isinstance(value, str) else ""


def part(line: Line, name: str) -> Line:
    """Return an object within a line; an empty one where there is none."""
    value = line.get(name)
    return value if isinstance(value, dict) else {}


def number(value: object) -> float:
    """Return a number of a line; 0 for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def whole(value: object) -> int:
    """Return a count of a line; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
