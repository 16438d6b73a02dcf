"""Write what this rank observed, and read what the others wrote. Nobody waits for anybody.

A thread writes the state a few times a minute, when training pauses, and at the end of the run, never within a training
step. It is read when a report is made. Root causes that a rank would warn of are lines in a file, which rank 0
reads and warns of.
"""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spikecheck.evidence.evidence import Evidence, picture_readings
from spikecheck.outside_text import safe
from spikecheck.probe.watchers import watchers
from spikecheck.ranks.pack import pack_engine, unpack_engine
from spikecheck.ranks.process import Process, key_of, shared_folder, this_process
from spikecheck.report.ranks import on_ranks
from spikecheck.stats.engine import Engine

FORMAT = "spikecheck rank 1"
ENDED, LEFT = "ended", "left"  # in place of the update: a rank writes no more, and reads no more
SECONDS = 0.1  # between two looks of the thread at a counter
PAUSE = 4  # training pauses where nothing happens for so many times as long as a step takes on average
END_SECONDS = 2.0  # that a rank gives the others at its end; judgment call: who needs longer is not there
SHARE = 50  # while training goes on, the thread rests so many times as long as a state took to write: 2% of the time
# What torch.load raises for a file that is incomplete or of another version, and what states that do not fit raise.
UNREADABLE = (OSError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError)


@dataclass(frozen=True)
class RankState:
    """What a rank observed: its evidence, the states it was made from, and how old it is."""

    rank: int
    evidence: Evidence
    engine: Engine


class Exchange:
    """What one monitor exchanges with those of the same model on the other ranks.

    `observe` returns what this rank observed, `progress` a number that grows with it.
    """

    def __init__(
        self,
        process: Process,
        folder: Path,
        key: str,
        observe: Callable[[], tuple[Evidence, Engine]],
        progress: Callable[[], int],
    ) -> None:
        self.process, self.folder, self.key = process, folder, key
        self._observe = observe
        self._progress = progress
        self._written = self._latest = progress()
        self._update = 0  # of the state that was written
        self._began = self._moved = self._next = time.monotonic()
        self._news: list[tuple[tuple[str, ...], int, str]] = []  # causes on other ranks: key, rank, text
        self._announced: set[tuple[str, ...]] = set()
        self._lines: dict[int, int] = {}  # of each rank, how many were read
        self._lock, self._ended = threading.Lock(), threading.Event()
        for kind in ("state", "causes", "update"):
            self.file(process.rank, kind).unlink(missing_ok=True)  # of an earlier run of the same name
        self.file(process.rank, "causes").touch(mode=0o600)
        self._thread = threading.Thread(target=look_around, args=(weakref.ref(self),), name="spikecheck", daemon=True)
        self._thread.start()
        # When this process exits, however it was started, after `atexit`: first what was made last.
        Finalize(None, leave, args=(folder, key, process), exitpriority=1)
        Finalize(self, call, args=(weakref.WeakMethod(self.close),), exitpriority=1)

    def file(self, rank: int, kind: str) -> Path:
        """Return the file of a rank."""
        return file_of(self.folder, self.key, rank, kind)

    # -- this rank

    def write(self) -> None:
        """Write the state, if anything was observed since it was last written."""
        with self._lock:
            number = self._progress()
            if number == self._written:
                return
            evidence, engine = self._observe()
            content = {
                "format": FORMAT,
                "evidence": evidence.state_dict(picture_readings()),
                "engine": pack_engine(engine),
            }
            file = self.file(self.process.rank, "state")
            partial = file.with_suffix(".partial")
            torch.save(content, partial)
            os.replace(partial, file)
            self._written, self._update = number, evidence.observations.run.update
            self.file(self.process.rank, "update").write_text(str(self._update), encoding="ascii")

    def look_once(self) -> None:
        """Read the news; write the state where enough time went by, or training pauses, as at the end of a loop."""
        self.look()
        before, self._latest = self._latest, self._progress()
        now = time.monotonic()
        if self._latest > before:
            self._moved = now
        step = (self._moved - self._began) / max(1, self._latest)
        if now >= self._next or now - self._moved > max(SECONDS, PAUSE * step):
            began = time.thread_time()
            self.write()
            self._next = time.monotonic() + SHARE * (time.thread_time() - began)

    def hand_over(self, key: tuple[str, str, str], text: str) -> bool:
        """Give rank 0 a root cause to warn of; return whether it is there to do so."""
        if self.process.rank == 0 or not self.file(0, "causes").exists():
            return False
        with suppress(OSError), self.file(self.process.rank, "causes").open("a", encoding="utf-8") as file:
            file.write(json.dumps([list(key), text]) + "\n")
            self._next = 0.0  # the state that shows it is written next
            return True
        return False

    def close(self) -> None:
        """Write the state for the last time."""
        self._ended.set()
        with suppress(*UNREADABLE):
            self.write()
            self.file(self.process.rank, "update").write_text(ENDED, encoding="ascii")

    def end(self, *, failed: bool = False) -> None:
        """Close; a rank that gives a last report, the first or one that failed, gives those behind it a moment."""
        if self._ended.is_set():
            return
        self.close()
        others = [rank for rank in range(self.process.size) if rank != self.process.rank]
        deadline = time.monotonic() + (END_SECONDS if failed or not self.process.rank else 0)
        while time.monotonic() < deadline and any(map(self.is_behind, others)):
            time.sleep(SECONDS / 10)

    def is_behind(self, rank: int) -> bool:
        """Return whether another rank has attached, and has not yet written what it knows of the latest update."""
        if not self.file(rank, "causes").exists():
            return False
        try:
            text = self.file(rank, "update").read_text(encoding="ascii")
        except OSError:  # it has written nothing yet
            return True
        return text not in (ENDED, LEFT) and int(text or 0) < self._update

    # -- the others

    def read(self) -> list[RankState]:
        """Return what the other ranks have written so far."""
        states = (self.state_of(rank) for rank in range(self.process.size) if rank != self.process.rank)
        return [state for state in states if state is not None]

    def state_of(self, rank: int) -> RankState | None:
        """Return what another rank has written; None where it has written nothing that can be read."""
        file = self.file(rank, "state")
        if not file.exists():
            return None
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
            if content["format"] != FORMAT:
                return None
            return RankState(
                rank, Evidence.from_state_dict(content["evidence"], clean=safe), unpack_engine(content["engine"])
            )
        except UNREADABLE:
            return None

    def look(self) -> None:
        """Read what other ranks would warn of."""
        if self.process.rank != 0:
            return
        for rank in range(1, self.process.size):
            file = self.file(rank, "causes")
            try:
                lines = file.read_text(encoding="utf-8").splitlines() if file.stat().st_size else []
            except OSError:
                continue
            fresh, self._lines[rank] = lines[self._lines.get(rank, 0) :], len(lines)
            for line in fresh:
                with suppress(ValueError):
                    key, text = json.loads(line)
                    self._news.append((tuple(map(str, key)), rank, "\n".join(map(safe, str(text).split("\n")))))

    @property
    def has_news(self) -> bool:
        """Whether another rank has something to tell."""
        return bool(self._news)

    def take_news(self, is_known: Callable[[tuple[str, ...]], bool]) -> list[str]:
        """Return what is to be told of other ranks: of each cause once, unless it is known here."""
        news, self._news = self._news, []
        by_key: dict[tuple[str, ...], tuple[list[int], str]] = {}
        for key, rank, text in news:
            if key not in self._announced and not is_known(key):
                by_key.setdefault(key, ([], text))[0].append(rank)
        self._announced.update(by_key)
        return [f"{on_ranks(ranks, self.process.size)}: {text}" for ranks, text in by_key.values()]


def look_around(reference: weakref.ref[Exchange]) -> None:
    """Look ten times a second, until the exchange ends or nobody refers to it any more."""
    while (exchange := reference()) is not None:
        ended = exchange._ended
        with suppress(*UNREADABLE):
            exchange.look_once()
        del exchange
        if ended.wait(SECONDS):
            return


def call(method: weakref.WeakMethod[Any]) -> None:
    """Call a method, if its object is still there."""
    if (bound := method()) is not None:
        bound()


def file_of(folder: Path, key: str, rank: int, kind: str) -> Path:
    """Return the file of one rank for one model."""
    return folder / f"{key}.{rank}.{kind}"


def leave(folder: Path, key: str, process: Process) -> None:
    """Note that this rank exits. The last one to do so removes the files of all: nobody is left to read them.

    Files of a rank that was killed stay, and those of the others with them.
    """
    with suppress(OSError):
        file_of(folder, key, process.rank, "update").write_text(LEFT, encoding="ascii")
        attached = [rank for rank in range(process.size) if file_of(folder, key, rank, "causes").exists()]
        if all(file_of(folder, key, rank, "update").read_text(encoding="ascii") == LEFT for rank in attached):
            for file in folder.glob(f"{key}.*"):
                file.unlink(missing_ok=True)
            folder.rmdir()


def exchange_of(
    model: nn.Module, observe: Callable[[], tuple[Evidence, Engine]], progress: Callable[[], int]
) -> Exchange | None:
    """Return the exchange of a monitor with the other ranks; None in a run of one process, or without a folder."""
    process = this_process()
    folder = None if process is None else shared_folder()
    if process is None or folder is None:
        return None
    name = key_of(model, 0)
    return Exchange(process, folder, key_of(model, watchers.count_attachment(name)), observe, progress)
