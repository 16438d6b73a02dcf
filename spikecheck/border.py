"""The border between the user's script and spikecheck: no error of ours crosses it, at any entry point, at any time.

`guard` wraps what torch calls, `attempt` what the user calls. The first error ends the watching and becomes finding
SPK001; what was observed until then can still be reported. With `on_finding="raise"` errors cross, as was asked for.
"""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar

from torch.utils.data import get_worker_info

from spikecheck.checks.spk001_own_error import OwnError
from spikecheck.errors import SpikecheckError
from spikecheck.finding import Finding
from spikecheck.probe.paths import is_of_script
from spikecheck.probe.schedule import Schedule
from spikecheck.probe.torch_private import without_modes

T = TypeVar("T")


class Border:
    """Catches our own errors for one monitor, under one lock, and remembers the first."""

    def __init__(self, schedule: Schedule, *, raises: bool) -> None:
        self.schedule, self.raises = schedule, raises
        self.lock = threading.RLock()  # held to observe, evaluate and copy; never while the user is told
        self.error: Finding | None = None
        self.is_reported = False  # whether the error was handed out to be told
        self.close: Callable[[], object] = lambda: None  # takes off every hook
        self.receives: Callable[[], bool] = lambda: True
        self.update: Callable[[], int] = lambda: 0
        self.has_news: Callable[[], bool] = lambda: False
        self.tell: Callable[[], object] = lambda: None  # passes on what is pending, outside of the lock

    def guard(self, entry: Callable[..., None]) -> Callable[..., None]:
        """Return an entry point that holds the lock, is timed, and keeps our errors from the user's training.

        A DataLoader's worker has a copy of the model and of the monitor: nobody would read what is observed there.
        """

        @wraps(entry)
        def guarded(*args: Any, **kwargs: Any) -> None:
            try:
                if self.error is not None or not self.receives() or get_worker_info() is not None:
                    return
                with self.lock, without_modes():
                    self.schedule.enter()
                    try:
                        entry(*args, **kwargs)
                    finally:
                        self.schedule.leave()
            except Exception as error:
                self.note(error)
                if self.raises:
                    raise
            if self.has_news() or (self.error is not None and not self.is_reported):
                self.tell()

        return guarded

    def attempt(self, call: Callable[[], T], otherwise: Callable[[], T]) -> T:
        """Return what a call of the user's returns; what `otherwise` returns if we fail. The user's own errors pass."""
        try:
            return call()
        except SpikecheckError:
            raise
        except Exception as error:
            self.note(error)
            if self.raises:
                raise
        return otherwise()

    def note(self, error: Exception) -> None:
        """Remember the first error of ours, and take every hook off."""
        with suppress(Exception), self.lock:
            if self.error is None:
                self.error = own_error(error, self.update)
            self.close()

    def take_error(self) -> Finding | None:
        """Return the error if nobody was told of it yet."""
        if self.error is None or self.is_reported:
            return None
        self.is_reported = True
        return self.error


def own_error(error: Exception, update: Callable[[], int]) -> Finding:
    """Return the finding for an error of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    file, line = (frames[-1].filename, frames[-1].lineno or 0) if frames else ("an unknown file", 0)
    at = 0
    with suppress(Exception):
        at = update()
    return OwnError().of(error, file, line, at)


def outside() -> int:
    """Return the level of the first frame that is the script's: a warning points at the user's line."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and not is_of_script(frame):
        frame, level = frame.f_back, level + 1
    return max(level, 1)
