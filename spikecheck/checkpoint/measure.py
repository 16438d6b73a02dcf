"""Reads the bytes of the tensors once, in order, and counts them: every storage whole, checked against its checksum."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Event, Lock

import torch
from torch import Tensor

from spikecheck.checkpoint.streams import CHUNK, verified
from spikecheck.checkpoint.values import ITEM_SIZES, Record, TensorRef
from spikecheck.stats.stored import StoredStats

LOAD = 1 << 23  # bytes that are worth a thread
MOST_THREADS = 4
IN_MEMORY = 1 << 26  # a tensor that is no one piece of its storage is taken into memory up to here
ROUNDS = 4  # how often all tensors together may look at the bytes of a storage
INTEGERS = {"quint8": "uint8", "qint8": "int8", "qint32": "int32"}

Advance = Callable[[int], object]
Flow = tuple[Record, "list[Part]"]


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


def measured(refs: Mapping[TensorRef, bool], advance: Advance = lambda count: None) -> dict[TensorRef, StoredStats]:
    """What was counted of each tensor, and of its rows where that is asked for; `advance` is told of the bytes read.

    Raises:
        UnreadableError: bytes are missing, or do not fit their checksum.
    """
    records: dict[Record, list[Part]] = {}
    found: dict[TensorRef, StoredStats] = {}
    alike: dict[tuple[object, ...], StoredStats] = {}
    looked: dict[Record, int] = {}
    copied: dict[Record, int] = {}
    for ref, rows in refs.items():
        record = ref.storage.record
        key = (record, ref.dtype, ref.offset, ref.shape, ref.stride, rows)
        if key in alike:
            found[ref] = alike[key]
            continue
        stats = found[ref] = alike[key] = StoredStats(ref.shape, ref.dtype, rows=rows and not ref.remark)
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
    in_order = sorted(records.items(), key=lambda item: item[0].offset)
    together(loads(in_order, copied), advance)
    return found


def loads(records: Iterable[Flow], copied: Container[Record]) -> Iterator[list[Flow]]:
    """What a thread takes at a time: a large record, or small ones that are worth a thread together.

    Records that are taken into memory are one load, so that one copy is there at a time.
    """
    load, size = list[Flow](), 0
    for flow in records:
        if flow[0] in copied:
            continue
        load.append(flow)
        size += flow[0].size
        if size >= LOAD:
            yield load
            load, size = [], 0
    yield load
    yield [flow for flow in records if flow[0] in copied]


def together(all_loads: Iterable[list[Flow]], advance: Advance) -> None:
    """Pour all loads, several at a time where there are processors for it.

    One thread counts a record from end to end, so that no figure depends on how many there are. Torch itself takes one
    thread meanwhile: it would start several for each of ours, for chunks that are too small to share.
    """
    telling, over = Lock(), Event()

    def told(count: int) -> None:
        if over.is_set():
            raise CancelledError
        with telling:
            advance(count)

    def carry(load: list[Flow]) -> None:
        for record, parts in load:
            pour(record, parts, told)

    with ExitStack() as leaving:
        leaving.callback(torch.set_num_threads, torch.get_num_threads())
        pool = leaving.enter_context(ThreadPoolExecutor(min(MOST_THREADS, processors()), "spikecheck"))
        leaving.callback(over.set)  # before the threads are waited for: after an error they stop at their next chunk
        torch.set_num_threads(1)
        deque(pool.map(carry, all_loads), maxlen=0)


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
    """Read a record from end to end and hand each part its bytes; UnreadableError as in `verified`."""
    waiting = deque(sorted(parts, key=lambda part: part.start))
    done, now = 0, list[Part]()
    for chunk in verified(record, whole_rows(parts)):
        while waiting and waiting[0].start < done + len(chunk):
            now.append(waiting.popleft())
        for part in now:
            part.take(done, chunk)
        done += len(chunk)
        now = [part for part in now if part.end > done]
        advance(len(chunk))


def whole_rows(parts: list[Part]) -> int:
    """The bytes of a chunk: whole rows where one weight is all that looks, so that none has to be put together."""
    if len(parts) == 1 and parts[0].stats.rows is not None:
        row = parts[0].stats.rows.width * parts[0].dtype.itemsize // parts[0].stats.parts
        return max(1, CHUNK // row) * row if row <= CHUNK else CHUNK
    return CHUNK
