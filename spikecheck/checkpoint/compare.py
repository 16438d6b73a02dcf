"""Two checkpoints side by side: what changed, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import torch
from torch import Tensor

from spikecheck.checkpoint.diagnose import shown
from spikecheck.checkpoint.measure import elements, parted
from spikecheck.checkpoint.read import opened
from spikecheck.checkpoint.streams import CHUNK, chunks
from spikecheck.checkpoint.values import Record, TensorRef
from spikecheck.stats.stored import Difference, StoredStats, as_floats
from spikecheck.stored import ChangeReading


def changes(before: Path, after: Path, *, unsafe_pickle: bool = False) -> tuple[ChangeReading, ...]:
    """What became of every tensor of either file, in the order of the later one; UnreadableError as in `opened`."""
    with opened(before, unsafe_pickle=unsafe_pickle) as old, opened(after, unsafe_pickle=unsafe_pickle) as new:
        mine, theirs = shown(new.content).tensors, shown(old.content).tensors
        names = dict.fromkeys([*mine, *theirs])
        with torch.no_grad():
            return tuple(compared(name, theirs.get(name), mine.get(name)) for name in names)


def compared(name: str, old: TensorRef | None, new: TensorRef | None) -> ChangeReading:
    """What became of one tensor."""
    if new is None:
        return ChangeReading(name, "gone", () if old is None else old.shape)
    if old is None:
        return ChangeReading(name, "new", new.shape)
    if old.shape != new.shape:
        return ChangeReading(name, f"was {list(old.shape)}", new.shape)
    if not plain(old) or not plain(new):
        return ChangeReading(name, "not compared", new.shape)
    difference = Difference()
    for a, b in zip_longest(floats(old), floats(new)):
        if a is None or b is None or a.shape != b.shape:
            return ChangeReading(name, "not compared", new.shape)
        difference.add(a, b)
    return difference.summarise(name, new.shape)


def plain(ref: TensorRef) -> bool:
    """Is it one piece of bytes, unpacked, with values?"""
    record = ref.storage.record
    if record is None or record.packed is not None or ref.remark:
        return False
    part = parted(ref, StoredStats(ref.shape, ref.dtype, rows=True))
    return part.view is None and (len(ref.shape) < 2 or 0 in ref.shape or part.stats.rows is not None)


def floats(ref: TensorRef) -> Iterator[Tensor]:
    """The values in order, a million at a time; the buffer behind them is used again."""
    record = ref.storage.record
    if record is None:
        return
    part = parted(ref, StoredStats(ref.shape, ref.dtype, rows=False))
    own = Record(record.name, record.source, record.offset + part.start, part.end - part.start)
    rest = torch.empty(0)
    for chunk in chunks(own):
        values = as_floats(elements(chunk, part.dtype))
        rest = torch.cat([rest.to(values.dtype), values])
        while len(rest) >= CHUNK:
            yield rest[:CHUNK]
            rest = rest[CHUNK:]
    if len(rest):
        yield rest
