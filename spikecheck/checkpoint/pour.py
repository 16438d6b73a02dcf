"""Reads storages from the beginning of a file to its end, several threads looking at what was read.

One thread reads one byte after the other, as a disk is fastest at. Others see what is in the bytes, and change nothing;
where they do not keep up, it helps them. It puts together what was seen, in order again, so that no figure depends on
how many threads there are.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from mmap import mmap
from typing import Any, Protocol

import torch

from spikecheck.checkpoint.checksum import Proof
from spikecheck.checkpoint.streams import unpacked
from spikecheck.checkpoint.values import Record
from spikecheck.errors import UnreadableError

PIECE = 1 << 22  # bytes that a thread looks at in one go
SPARE = 4  # buffers that are being read into, or wait for a thread
MOST_THREADS = 4
ALIGNED = 64  # a record begins at a multiple of it

Advance = Callable[[int], object]
Put = Callable[[memoryview], int]
Seen = tuple["int | None", "list[Any]"]


class Part(Protocol):
    """Bytes of a record, and who wants to know what is in them."""

    start: int
    end: int

    def look(self, at: int, chunk: memoryview) -> Any:
        """What is to be seen in a chunk of the record that begins at a byte; changes nothing."""
        ...

    def take(self, at: int, chunk: memoryview, seen: Any) -> None:
        """Count it; called for one chunk after the other."""
        ...


class Flow:
    """A record on its way: what was read of it, who looks at what comes next, what was seen."""

    def __init__(self, record: Record, parts: Iterable[Part], step: int) -> None:
        self.record, self.step = record, step
        self.waiting = deque(sorted((part for part in parts if part.start < part.end), key=lambda part: part.start))
        self.now: list[Part] = []
        self.at = 0
        self.proof = Proof(record)
        self.refused: UnreadableError | None = None

    def piece(self, chunk: memoryview) -> Piece:
        """The next bytes, and who looks at them."""
        at, self.at = self.at, self.at + len(chunk)
        self.now = [part for part in self.now if part.end > at]
        while self.waiting and self.waiting[0].start < self.at:
            self.now.append(self.waiting.popleft())
        return Piece(self, at, chunk, tuple(self.now))

    def close(self) -> None:
        """After the last byte: UnreadableError where the record is not as it was announced."""
        if self.refused is not None:
            raise self.refused
        self.proof.close()


@dataclass(eq=False)
class Piece:
    """Bytes of a record, from one on."""

    flow: Flow
    at: int
    chunk: memoryview
    parts: tuple[Part, ...]

    def look(self) -> Seen:
        """Their checksum, and what each part sees in them."""
        checksum = None if self.flow.record.crc is None else zlib.crc32(self.chunk)
        return checksum, [part.look(self.at, self.chunk) for part in self.parts]

    def take(self, seen: Seen) -> None:
        """Count it."""
        self.flow.proof.add(len(self.chunk), seen[0])
        for part, found in zip(self.parts, seen[1], strict=True):
            part.take(self.at, self.chunk, found)


class Batch:
    """What a thread looks at in one go: a piece of a large record, or small records one after the other."""

    def __init__(self, buffer: memoryview) -> None:
        self.buffer, self.used = buffer, 0
        self.pieces: list[Piece] = []
        self.over: list[Flow] = []
        self.seen: list[Seen] = []

    @property
    def room(self) -> int:
        """How many bytes fit."""
        return PIECE - self.used

    def next(self, count: int) -> memoryview:
        """Where so many bytes go."""
        start, end = self.used, self.used + count
        self.used = -(-end // ALIGNED) * ALIGNED
        return self.buffer[start:end]

    def look(self) -> None:
        """See what is in its pieces."""
        self.seen = [piece.look() for piece in self.pieces]

    def take(self, advance: Advance) -> None:
        """Count it; UnreadableError where a record that ends here is not as it was announced."""
        for piece, seen in zip(self.pieces, self.seen, strict=True):
            piece.take(seen)
            advance(len(piece.chunk))
        for flow in self.over:
            flow.close()


def pour(flows: Iterable[Flow], advance: Advance) -> None:
    """Read all records, in order, and have their parts count what is in them.

    Torch itself takes one thread meanwhile: it would start several for each of ours, for pieces that are too small to
    share. What is raised here is raised when each thread is done with the batch that it has.

    Raises:
        UnreadableError: bytes are missing, or do not fit their checksum; of several such records, the first is named.
    """
    threads = min(MOST_THREADS, max(1, processors() - 1))
    free = [memoryview(mmap(-1, PIECE)) for _ in range(threads + SPARE)]
    waiting = deque[tuple[Batch, "Future[None]"]]()
    with ExitStack() as leaving:
        leaving.callback(torch.set_num_threads, torch.get_num_threads())
        pool = leaving.enter_context(ThreadPoolExecutor(threads, "spikecheck"))
        torch.set_num_threads(1)
        for batch in batches(flows, free):
            waiting.append((batch, pool.submit(batch.look)))
            if not free:
                if not waiting[0][1].done():
                    looked_at(*waiting[-1])
                free.append(taken(*waiting.popleft(), advance))
        for batch, looking in reversed(waiting):
            looked_at(batch, looking)
        for batch, looking in waiting:
            taken(batch, looking, advance)


def looked_at(batch: Batch, looking: Future[None]) -> None:
    """Look at a batch that no thread has begun with."""
    if looking.cancel():
        batch.look()


def taken(batch: Batch, looking: Future[None], advance: Advance) -> memoryview:
    """Count what was seen in a batch, once a thread is done with it; its buffer."""
    if not looking.cancelled():
        looking.result()
    batch.take(advance)
    return batch.buffer


def batches(flows: Iterable[Flow], free: list[memoryview]) -> Iterator[Batch]:
    """All records from end to end, each batch in a buffer of its own; one is free whenever the next is asked for."""
    batch = Batch(free.pop())
    for flow in flows:
        for count, put in reads(flow):
            if count > batch.room:
                yield batch
                batch = Batch(free.pop())
            room = batch.next(count)
            batch.pieces.append(flow.piece(room[: put(room)]))
        batch.over.append(flow)
    yield batch


def reads(flow: Flow) -> Iterator[tuple[int, Put]]:
    """How many bytes of a record come next, and what puts them into a buffer; it says how many there were."""
    record, end = flow.record, 0
    if record.packed is not None:
        try:
            for chunk in unpacked(record):
                yield len(chunk), partial(copied, chunk)
        except UnreadableError as error:
            flow.refused = error  # those before it come first
        return
    while end < record.size and flow.at == end:
        count = min(flow.step, record.size - end)
        yield count, partial(record.source.readinto, record.offset + end)
        end += count


def copied(chunk: memoryview, room: memoryview) -> int:
    """Put bytes that are in memory into a buffer."""
    room[:] = chunk
    return len(chunk)


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
