"""Compare two checkpoints, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import torch
from torch import Tensor

from spikecheck.checkpoint.read import open_checkpoint
from spikecheck.checkpoint.record_reader import RecordReader
from spikecheck.checkpoint.scan import elements, view_of
from spikecheck.checkpoint.values import Record, TensorRef
from spikecheck.stats.stored import Difference, StoredStats, as_floats
from spikecheck.stored import ChangeReading

VALUES_AT_ONCE = 1 << 20  # values that are compared at once


def changes(before: Path, after: Path, *, unsafe_pickle: bool = False) -> tuple[ChangeReading, ...]:
    """Return what changed in every tensor of either file, in the order of the later one.

    Raises:
        UnreadableError: one of the files cannot be read.
    """
    with (
        open_checkpoint(before, unsafe_pickle=unsafe_pickle) as old,
        open_checkpoint(after, unsafe_pickle=unsafe_pickle) as new,
    ):
        after_tensors, before_tensors = new.content.tensors, old.content.tensors
        names = dict.fromkeys([*after_tensors, *before_tensors])
        with torch.no_grad():
            return tuple(compare(name, before_tensors.get(name), after_tensors.get(name)) for name in names)


def compare(name: str, old: TensorRef | None, new: TensorRef | None) -> ChangeReading:
    """Return what changed in one tensor."""
    if new is None:
        return ChangeReading(name, "gone", () if old is None else old.shape)
    if old is None:
        return ChangeReading(name, "new", new.shape)
    if old.shape != new.shape:
        return ChangeReading(name, f"was {list(old.shape)}", new.shape)
    if not is_comparable(old) or not is_comparable(new):
        return ChangeReading(name, "not compared", new.shape)
    difference = Difference()
    for a, b in zip_longest(values_in_order(old), values_in_order(new)):
        if a is None or b is None or a.shape != b.shape:
            return ChangeReading(name, "not compared", new.shape)
        difference.add(a, b)
    return difference.summarize(name, new.shape)


def is_comparable(ref: TensorRef) -> bool:
    """Return whether the tensor is one piece of bytes in order, not packed, with values."""
    record = ref.storage.record
    if record is None or record.packed is not None or ref.remark:
        return False
    view = view_of(ref, StoredStats(ref.shape, ref.dtype, rows=True))
    return view.strided is None and (len(ref.shape) < 2 or 0 in ref.shape or view.stats.rows is not None)


def values_in_order(ref: TensorRef) -> Iterator[Tensor]:
    """Yield the values in order, `VALUES_AT_ONCE` at a time; the buffer behind them is used again."""
    record = ref.storage.record
    if record is None:
        return
    view = view_of(ref, StoredStats(ref.shape, ref.dtype, rows=False))
    crc = record.crc if view.end - view.start == record.size else None
    own = Record(record.name, record.source, record.offset + view.start, view.end - view.start, crc=crc)
    rest = torch.empty(0)
    for chunk in RecordReader(own):
        values = as_floats(elements(chunk, view.dtype))
        rest = torch.cat([rest.to(values.dtype), values])
        while len(rest) >= VALUES_AT_ONCE:
            yield rest[:VALUES_AT_ONCE]
            rest = rest[VALUES_AT_ONCE:]
    if len(rest):
        yield rest
