"""Scan the tensors of a file: read every storage once, whole, verify it, and compute the statistics of its tensors."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod

import torch
from torch import Tensor

from spikecheck.checkpoint.record_reader import CHUNK, RecordReader
from spikecheck.checkpoint.values import ITEM_SIZES, Record, TensorRef
from spikecheck.stats.stored import SCRATCH, StoredStats

MAX_GATHERED = 1 << 26  # bytes: tensors that are no single piece of their storage are put together up to this size
MAX_REPEATED = 1 << 28  # bytes that overlapping views may be put together to, beyond those that they span
MAX_KEPT = 1 << 23  # rows, and elements of vectors, whose statistics are kept in memory: those of all tensors together
MAX_PASSES = 4  # how often all tensors together may cover the bytes of a storage
INTEGERS = {"quint8": "uint8", "qint8": "int8", "qint32": "int32"}

Advance = Callable[[int], object]


@dataclass(eq=False)
class View:
    """The bytes of a record that a tensor covers, and the statistics that they go into."""

    start: int
    end: int
    dtype: torch.dtype
    stats: StoredStats
    strided: tuple[tuple[int, ...], tuple[int, ...]] | None = None  # shape and strides, where the bytes are gathered
    gathered: bytearray = field(default_factory=bytearray)

    def accumulate(self, offset: int, chunk: memoryview) -> None:
        """Add what this tensor covers of a chunk that begins at an offset of the record; chunks come in order."""
        own = chunk[max(0, self.start - offset) : max(0, self.end - offset)]
        if self.strided is None:
            self.stats.add(elements(own, self.dtype))
            return
        self.gathered += own
        if len(self.gathered) == self.end - self.start:
            flat = elements(memoryview(self.gathered), self.dtype).as_strided(*self.strided).reshape(-1)
            for part in torch.split(flat, CHUNK // flat.element_size()):
                self.stats.add(part)
            self.gathered = bytearray()


def elements(chunk: memoryview, dtype: torch.dtype) -> Tensor:
    """Return bytes as elements; an incomplete element at the end, of a truncated file, is left out."""
    usable = len(chunk) // dtype.itemsize * dtype.itemsize
    if not usable:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(chunk[:usable], dtype=torch.uint8).view(dtype)


def scan(refs: Mapping[TensorRef, bool], advance: Advance = lambda count: None) -> dict[TensorRef, StoredStats]:
    """Return the statistics of each tensor, of its rows as well where the mapping says so.

    `advance` is called with the number of bytes read.

    Raises:
        UnreadableError: bytes are missing, or do not match their checksum.
    """
    views: dict[Record, list[View]] = {}
    result: dict[TensorRef, StoredStats] = {}
    same_view: dict[tuple[object, ...], StoredStats] = {}
    covered: dict[Record, int] = {}
    gathered: dict[Record, int] = {}
    repeated = in_memory = 0
    for ref, rows in refs.items():
        record = ref.storage.record
        key = (record, ref.dtype, ref.offset, ref.shape, ref.stride, rows)
        if key in same_view:
            result[ref] = same_view[key]
            continue
        stats = result[ref] = same_view[key] = StoredStats(ref.shape, ref.dtype, rows=rows and not ref.remark)
        if record is None:
            continue
        view = view_of(ref, stats)
        in_memory += stats.in_memory()
        if in_memory > MAX_KEPT:
            stats.keep_nothing()
        if view.strided is not None:
            gathered[record] = gathered.get(record, 0) + view.end - view.start
            repeated += max(0, prod(view.strided[0]) * view.dtype.itemsize - (view.end - view.start))
            if gathered[record] > MAX_GATHERED or repeated > MAX_REPEATED:
                view.strided = stats.rows = None
        covered[record] = covered.get(record, 0) + view.end - view.start
        of_record = views.setdefault(record, [])
        if covered[record] <= MAX_PASSES * max(record.size, CHUNK):
            of_record.append(view)
        else:
            stats.rows = None
    try:
        with one_torch_thread():
            for record in sorted(views, key=lambda record: record.offset):  # in the order of the file
                scan_record(record, views[record], advance)
    finally:
        SCRATCH.clear()
    return result


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Have torch work in one thread: chunks are too small to share, and no figure may depend on how they are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def scan_record(record: Record, views: Iterable[View], advance: Advance) -> None:
    """Read a record once, whole, and give each view the chunks that it covers."""
    waiting = deque(sorted((view for view in views if view.start < view.end), key=lambda view: view.start))
    active: list[View] = []
    offset = 0
    for chunk in RecordReader(record):
        active = [view for view in active if view.end > offset]
        while waiting and waiting[0].start < offset + len(chunk):
            active.append(waiting.popleft())
        for view in active:
            view.accumulate(offset, chunk)
        offset += len(chunk)
        advance(len(chunk))


def view_of(ref: TensorRef, stats: StoredStats) -> View:
    """Return the bytes of the storage that a tensor covers; repeated elements are covered once."""
    dtype = getattr(torch, INTEGERS.get(ref.dtype, ref.dtype))
    item = ITEM_SIZES[ref.dtype]
    axes = [(n, step) for n, step in zip(ref.shape, ref.stride, strict=True) if step != 0 and n != 1]
    count = span = 1
    for n, step in axes:
        count *= n
        span += (n - 1) * step
    if 0 in ref.shape:
        return View(0, 0, dtype, stats)
    start = ref.offset * item
    in_order = all(a[1] >= b[1] for a, b in pairwise(axes))
    repeated = any(n > 1 and step == 0 for n, step in zip(ref.shape, ref.stride, strict=True))
    strided = None
    if not (in_order and count == span):  # transposed, or with gaps: gathered if small enough, else all bytes it spans
        if count * item <= MAX_GATHERED and span * item <= MAX_GATHERED:
            strided = tuple(n for n, _ in axes), tuple(step for _, step in axes)
        else:
            repeated = True
    if repeated:
        stats.rows = None  # the bytes that are read are not the rows
    return View(start, start + span * item, dtype, stats, strided)
