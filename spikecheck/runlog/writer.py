"""Write the log of a run while it trains."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from spikecheck.diagnosis import Cause
from spikecheck.errors import SpikecheckError
from spikecheck.evidence.evidence import Evidence, picture_readings
from spikecheck.finding import Finding
from spikecheck.report.as_dict import finding_dict, plain
from spikecheck.report.file import of_rank
from spikecheck.runlog.file import LineFile
from spikecheck.settings import process_rank
from spikecheck.sinks.base import RunPoint, RunStart, Sink

if TYPE_CHECKING:
    from spikecheck.report.model import Report

SCHEMA = 1
MAX_BYTES = 32 << 20  # of the file and of the part before, each
# A state has the size of a report, and costs as much. After a kill, what came after the latest one is known by its
# points and findings alone.
STATE_SECONDS = 30.0  # between two states; in the first 30 seconds after 1, 2, 4, ... of them. But at least
STATE_SHARE = 0.02  # this share of the run's time: so their number grows with its logarithm, and
STATE_COST = 200  # this many times what writing one took: less than 0.5% of the time
DIGITS = 6  # significant digits of a number in a point

#: One per process: runs of one process belong together, such as the two networks of a GAN.
SESSION = secrets.token_hex(4)
#: Files that are open in this process: two runs may write to one.
OPEN: WeakValueDictionary[Path, LineFile] = WeakValueDictionary()


class RunLog(Sink):
    """A log in JSON lines, which `spikecheck watch`, `report` and `compare` read.

    Args:
        path: the file. What is in it stays: a second run is appended. In a run of several processes, each rank but the
            first has a file of its own: run.rank1.jsonl.
        max_bytes: when the file would become larger, it is renamed to run.jsonl.1, and a new one begins.
        pictures: whether to write the samples of spikes and membrane potentials that the pictures of a page show.

    Raises:
        SpikecheckError: the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES, pictures: bool = True) -> None:
        if not isinstance(max_bytes, int) or max_bytes < 1 << 10:
            raise SpikecheckError(f"max_bytes= takes a whole number of at least 1,024, got {max_bytes!r}")
        self.path = Path(of_rank(os.fspath(path), process_rank())).absolute()  # a script may change its folder
        self._file = OPEN.get(self.path) or LineFile(self.path, max_bytes)
        OPEN[self.path] = self._file
        self._leave_out = frozenset() if pictures else picture_readings()
        self._id, self._process, self._part = secrets.token_hex(4), os.getpid(), -1
        self._start: dict[str, Any] = {}
        self._began, self._state_due = time.monotonic(), 0.0

    def begin(self, start: RunStart) -> None:
        """Write what the run is."""
        self._start = {
            "schema": SCHEMA,
            "spikecheck": import_module("spikecheck").__version__,
            "session": SESSION,
            "started": utc_now(),
            "model": start.model,
            "variable": start.variable,
            "rank": start.rank,
            "ranks": start.ranks,
            "first_update": start.first_update,
        }
        self._introduce()

    def point(self, point: RunPoint) -> None:
        """Write what the latest updates showed."""
        numbers = {
            "loss": point.losses,
            "gradient_norm": point.gradient_norms,
            "update_size": point.update_sizes,
            "learning_rate": point.learning_rates,
            "firing_rate": point.firing_rates,
            "silent_share": point.silent_shares,
        }
        rounded = {
            name: {place: None if value is None else float(f"{value:.{DIGITS}g}") for place, value in of.items()}
            for name, of in numbers.items()
            if of
        }
        self._write("point", seconds=point.seconds, update=point.update, since=point.since, **rounded)

    def finding(self, cause: Cause, update: int) -> None:
        """Write a root cause with its consequences."""
        consequences = [finding_dict(one) for one in cause.consequences]
        self._write("finding", update=update, finding=finding_dict(cause.finding), consequences=consequences)

    def over(self, finding: Finding, update: int) -> None:
        """Write that a finding no longer holds."""
        self._write("over", update=update, check=finding.check, site=finding.site.name, kind=finding.site.kind.label)

    def state(self, read: Callable[[], Evidence], *, final: bool = False) -> None:
        """Write everything that a report is made of, if it is time."""
        elapsed = time.monotonic() - self._began
        if not final and elapsed < self._state_due:
            return
        begin = time.perf_counter()
        evidence = read()
        update = evidence.updates
        self._write("state", update=update, evidence=evidence.state_dict(self._leave_out))
        cost = STATE_COST * (time.perf_counter() - begin)
        pause = max(STATE_SECONDS, STATE_SHARE * elapsed, cost) if elapsed > STATE_SECONDS else max(1.0, elapsed)
        self._state_due = elapsed + pause

    def end(self, report: Report, error: str) -> None:
        """Write how the run ended."""
        self._write("end", update=report.updates, ended=utc_now(), error=error, ok=report.ok, state=report.state.value)

    def _introduce(self) -> None:
        """Write the start, at the beginning of every part that has lines of this run."""
        self._part = self._file.part
        self._append("start", {**self._start, "part": self._part})

    def _write(self, kind: str, /, **content: Any) -> None:
        """Write one line; in a new part, the start before it and the state soon."""
        if self._part != self._file.part:
            self._introduce()
            self._state_due = 0.0
        self._append(kind, content)

    def _append(self, kind: str, content: dict[str, Any]) -> None:
        if os.getpid() == self._process:  # a forked process has a copy of the file, and its lines would be torn
            line = {"run": self._id, "line": kind, **content}
            self._file.append(json.dumps(plain(line), allow_nan=False, separators=(",", ":")))


def utc_now() -> str:
    """Return the time as ISO 8601 writes it, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
