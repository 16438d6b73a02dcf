"""Counts the tensors of a file: which bytes each looks at, every storage read once, whole, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from spikecheck.checkpoint.pour import PIECE, Advance, Flow, pour
from spikecheck.checkpoint.values import ITEM_SIZES, Record, TensorRef
from spikecheck.stats.stored import ROOM, Look, StoredStats

IN_MEMORY = 1 << 26  # a tensor that is no one piece of its storage is taken into memory up to here
ROUNDS = 4  # how often all tensors together may look at the bytes of a storage
INTEGERS = {"quint8": "uint8", "qint8": "int8", "qint32": "int32"}


@dataclass(eq=False)
class View:
    """The bytes of a record that a tensor looks at, and what is to be done with them."""

    start: int
    end: int
    dtype: torch.dtype
    stats: StoredStats
    view: tuple[tuple[int, ...], tuple[int, ...]] | None = None  # shape and strides, where it is taken into memory
    kept: bytearray = field(default_factory=bytearray)

    def own(self, at: int, chunk: memoryview) -> memoryview:
        """What is its own of a chunk that begins at a byte."""
        return chunk[max(0, self.start - at) : max(0, self.end - at)]

    def look(self, at: int, chunk: memoryview) -> Look | None:
        """What is to be seen in a chunk; nothing yet where all of it has to be there first."""
        if self.view is not None:
            return None
        start = max(0, at - self.start) // self.dtype.itemsize
        return self.stats.look(elements(self.own(at, chunk), self.dtype), start)

    def take(self, at: int, chunk: memoryview, seen: Any) -> None:
        """Count it."""
        if self.view is None:
            self.stats.take(seen)
            return
        self.kept += self.own(at, chunk)
        if len(self.kept) == self.end - self.start:
            flat = elements(memoryview(self.kept), self.dtype).as_strided(*self.view).reshape(-1)
            for piece in torch.split(flat, PIECE // flat.element_size()):
                self.stats.add(piece)
            self.kept = bytearray()


def elements(chunk: memoryview, dtype: torch.dtype) -> Tensor:
    """Bytes as elements; the end of a file that was cut short may hold a part of one, which is left out."""
    usable = len(chunk) // dtype.itemsize * dtype.itemsize
    if not usable:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(chunk[:usable], dtype=torch.uint8).view(dtype)


def measured(refs: Mapping[TensorRef, bool], advance: Advance = lambda count: None) -> dict[TensorRef, StoredStats]:
    """What was counted of each tensor, and of its rows where that is asked for; `advance` is told of the bytes read.

    Raises:
        UnreadableError: bytes are missing, or do not fit their checksum.
    """
    views: dict[Record, list[View]] = {}
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
        own = views.setdefault(record, [])
        if looked[record] <= ROUNDS * max(record.size, PIECE):
            own.append(part)
        else:
            stats.rows = None
    in_order = sorted(views.items(), key=lambda item: item[0].offset)
    try:
        pour((Flow(record, own, step(own)) for record, own in in_order), advance)
    finally:
        ROOM.clear()
    return found


def parted(ref: TensorRef, stats: StoredStats) -> View:
    """The part of the storage that a tensor looks at; what is repeated is looked at once."""
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
    view = None
    if not (in_order and count == span):  # transposed, or with gaps: as it is if it fits, else the bytes it spans
        if count * item <= IN_MEMORY and span * item <= IN_MEMORY:
            view = tuple(n for n, _ in axes), tuple(step for _, step in axes)
        else:
            repeated = True
    if repeated:
        stats.rows = None  # the rows are not what is looked at
    return View(start, start + span * item, dtype, stats, view)


def step(views: list[View]) -> int:
    """The bytes of a piece: whole rows where one weight is all that looks, so that none has to be put together."""
    if len(views) == 1 and (rows := views[0].stats.rows) is not None:
        row = rows.width * views[0].dtype.itemsize // views[0].stats.parts
        return PIECE // row * row or PIECE
    return PIECE
