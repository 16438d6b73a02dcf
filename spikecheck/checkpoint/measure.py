"""Reads the bytes of the tensors once, in order, and counts them: every storage whole, checked against its checksum."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from spikecheck.checkpoint.values import ITEM_SIZES, Record, TensorRef
from spikecheck.errors import UnreadableError
from spikecheck.stats.stored import StoredStats

CHUNK = 1 << 20
AHEAD = 1 << 24
LARGE = 1 << 23  # a storage that is worth a thread for its checksum
IN_MEMORY = 1 << 26  # a tensor that is no one piece of its storage is taken into memory up to here
ROUNDS = 4  # how often all tensors together may look at the bytes of a storage
INTEGERS = {"quint8": "uint8", "qint8": "int8", "qint32": "int32"}

Advance = Callable[[int], object]


@dataclass(eq=False)
class Part:
    """The bytes of a record that a tensor looks at, and what is to be done with them."""

    start: int
    end: int
    dtype: torch.dtype
    stats: StoredStats
    view: tuple[tuple[int, ...], tuple[int, ...]] | None = None  # shape and strides, where it is taken into memory
    kept: bytearray = field(default_factory=bytearray)

    def take(self, at: int, chunk: memoryview) -> None:
        """Take what is its own of a chunk that begins at a byte."""
        begin, end = max(self.start, at), min(self.end, at + len(chunk))
        if begin >= end:
            return
        own = chunk[begin - at : end - at]
        if self.view is None:
            self.stats.add(elements(own, self.dtype))
            return
        self.kept += own
        if end == self.end:
            flat = elements(memoryview(self.kept), self.dtype).as_strided(*self.view).reshape(-1)
            size = CHUNK // flat.element_size()
            for piece in torch.split(flat, size) if flat.numel() else ():
                self.stats.add(piece)
            self.kept = bytearray()


def elements(chunk: memoryview, dtype: torch.dtype) -> Tensor:
    """Bytes as elements."""
    return torch.frombuffer(chunk, dtype=torch.uint8).view(dtype)


def measured(refs: Iterable[TensorRef], advance: Advance = lambda count: None) -> dict[TensorRef, StoredStats]:
    """What was counted of each tensor; `advance` is told of the bytes read.

    Raises:
        UnreadableError: bytes are missing, or do not fit their checksum.
    """
    records: dict[Record, list[Part]] = {}
    found: dict[TensorRef, StoredStats] = {}
    alike: dict[tuple[object, ...], StoredStats] = {}
    looked: dict[Record, int] = {}
    copied: dict[Record, int] = {}
    for ref in refs:
        record = ref.storage.record
        key = (record, ref.dtype, ref.offset, ref.shape, ref.stride)
        if ref in found or key in alike:
            found[ref] = alike[key]
            continue
        stats = found[ref] = alike[key] = StoredStats(ref.shape, ref.dtype, rows=not ref.remark)
        if record is None:
            continue
        part = parted(ref, stats)
        if part.view is not None:
            copied[record] = copied.get(record, 0) + part.end - part.start
            if copied[record] > IN_MEMORY:
                part.view = stats.rows = None
        looked[record] = looked.get(record, 0) + part.end - part.start
        parts = records.setdefault(record, [])
        if looked[record] <= ROUNDS * max(record.size, CHUNK):
            parts.append(part)
        else:
            stats.rows = None
    for record, parts in sorted(records.items(), key=lambda item: item[0].offset):
        pour(record, parts, advance)
    return found


def parted(ref: TensorRef, stats: StoredStats) -> Part:
    """The part of the storage that a tensor looks at; what is repeated is looked at once."""
    dtype = getattr(torch, INTEGERS.get(ref.dtype, ref.dtype))
    item = ITEM_SIZES[ref.dtype]
    axes = [(n, step) for n, step in zip(ref.shape, ref.stride, strict=True) if step != 0 and n != 1]
    count = span = 1
    for n, step in axes:
        count *= n
        span += (n - 1) * step
    if 0 in ref.shape:
        return Part(0, 0, dtype, stats)
    start = ref.offset * item
    in_order = all(a[1] >= b[1] for a, b in pairwise(axes))
    repeated = any(n > 1 and step == 0 for n, step in zip(ref.shape, ref.stride, strict=True))
    view = None
    if not (in_order and count == span):  # transposed, or with gaps: as it is if it fits, else the bytes it spans
        if count * item <= IN_MEMORY and span * item <= IN_MEMORY:
            view = tuple(n for n, _ in axes), tuple(step for _, step in axes)
        else:
            repeated = True
    if repeated:
        stats.rows = None  # the rows are not what is looked at
    return Part(start, start + span * item, dtype, stats, view)


def pour(record: Record, parts: list[Part], advance: Advance) -> None:
    """Read a record from end to end and hand each part its bytes."""
    parts = sorted(parts, key=lambda part: part.start)
    done, waiting, open_parts = 0, 0, list[Part]()
    with ExitStack() as threads:
        checksum = Checksum(threads.enter_context(ThreadPoolExecutor(1)) if record.size > LARGE else None)
        for chunk in unpacked(record) if record.packed is not None else chunks(record):
            if record.crc is not None:
                checksum.begin(chunk)
            while waiting < len(parts) and parts[waiting].start < done + len(chunk):
                open_parts.append(parts[waiting])
                waiting += 1
            for part in open_parts:
                part.take(done, chunk)
            done += len(chunk)
            open_parts = [part for part in open_parts if part.end > done]
            checksum.end()
            advance(len(chunk))
    if done != record.size:
        raise UnreadableError(f"cut short: storage {record.name!r} has {done} of {record.size} bytes")
    if record.crc is not None and checksum.value != record.crc:
        raise UnreadableError(f"corrupt: storage {record.name!r} does not fit its checksum")


class Checksum:
    """The checksum of chunks, reckoned beside the counting where there is a thread for it."""

    def __init__(self, thread: ThreadPoolExecutor | None) -> None:
        self.value, self.thread = 0, thread
        self.running: Future[int] | None = None

    def begin(self, chunk: memoryview) -> None:
        """Take a chunk in, which must stay as it is until the end."""
        if self.thread is None:
            self.value = zlib.crc32(chunk, self.value)
        else:
            self.running = self.thread.submit(zlib.crc32, chunk, self.value)

    def end(self) -> None:
        """Wait for the chunk."""
        if self.running is not None:
            self.value, self.running = self.running.result(), None


def chunks(record: Record) -> Iterator[memoryview]:
    """The bytes of a record, in a buffer that is used again."""
    buffer = memoryview(bytearray(min(CHUNK, max(1, record.size))))
    for at in range(0, record.size, CHUNK):
        if at % AHEAD == 0:
            record.source.expect(record.offset + at, 2 * AHEAD)
        wanted = min(CHUNK, record.size - at)
        got = record.source.readinto(record.offset + at, buffer[:wanted])
        yield buffer[:got]
        if got < wanted:
            return


def unpacked(record: Record) -> Iterator[memoryview]:
    """The bytes of a deflated record, a chunk at a time and never more than that in memory."""
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    left, at = record.packed or 0, record.offset
    total, rest, ready = 0, b"", bytearray()
    while not machine.eof:
        if not rest:
            rest = record.source.read(at, min(CHUNK, left))
            at, left = at + len(rest), left - len(rest)
            if not rest:
                break
        try:
            ready += machine.decompress(rest, CHUNK - len(ready))
        except zlib.error as error:
            raise UnreadableError(f"corrupt: storage {record.name!r} cannot be unpacked") from error
        rest = machine.unconsumed_tail
        if len(ready) == CHUNK:
            total += CHUNK
            if total > record.size:
                raise UnreadableError(f"storage {record.name!r} unpacks to more than the {record.size} bytes announced")
            yield memoryview(ready)
            ready = bytearray()
    if ready:
        yield memoryview(ready)
