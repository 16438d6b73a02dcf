"""Read files of torch before 1.6 and plain pickles: one pickle after the other, then the storages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spikecheck.checkpoint.budget import Budget
from spikecheck.checkpoint.described import Described
from spikecheck.checkpoint.rebuild import Rebuilder
from spikecheck.checkpoint.source import BytesSource
from spikecheck.checkpoint.unpickle import PickleReader, Unpickler
from spikecheck.checkpoint.values import ITEM_SIZES, Record, Source, StorageRef
from spikecheck.errors import UnreadableError

MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(eq=False)
class DeferredSource:
    """A part of a source that begins at an offset known only after the pickle was read."""

    source: Source
    start: int = 0
    size: int = 0

    def readinto(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset on; return how many bytes there were."""
        return self.source.readinto(self.start + offset, buffer)

    def read(self, offset: int, count: int) -> bytes:
        """Return at most `count` bytes from an offset on."""
        return self.source.read(self.start + offset, min(count, self.size - offset))


@dataclass
class Storages:
    """The storages that a pickle names, by key."""

    source: Source
    records: dict[str, tuple[Record, DeferredSource, str]] = field(default_factory=dict)

    def locate(self, key: str, dtype: str, elements: int) -> Record:
        """Return the record of a key; its offset is not known yet."""
        if key in self.records:
            record, _, known = self.records[key]
            if record.size != elements * ITEM_SIZES[dtype] or known != dtype:
                raise UnreadableError(f"damaged: storage {key} is described twice, with different sizes or types")
            return record
        deferred = DeferredSource(self.source, size=elements * ITEM_SIZES[dtype])
        record = Record(key, deferred, 0, deferred.size)
        self.records[key] = (record, deferred, dtype)
        return record

    def place(self, keys: Any, position: int) -> None:
        """Set the offsets of all storages: they follow the list of their keys, each after its number of elements."""
        texts = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not texts or set(keys) != set(self.records) or len(keys) != len(self.records):
            raise UnreadableError("damaged: the list of storages does not match the tensors")
        for key in keys:
            record, deferred, dtype = self.records[key]
            elements = int.from_bytes(self.source.read(position, 8), "little")
            if elements * ITEM_SIZES[dtype] != record.size:
                raise UnreadableError(f"damaged or truncated: storage {key} has not the size of its tensors")
            deferred.start = position + 8
            position = deferred.start + record.size
            if position > self.source.size:
                raise UnreadableError(f"truncated: storage {key} extends beyond the end of the file")


Nested = Callable[[bytes, Budget], Any]


def read_legacy(source: Source, nested: Nested | None, budget: Budget) -> Described:
    """Return what a legacy file or plain pickle holds."""
    reader, storages = PickleReader(source, budget), Storages(source)
    rebuild = Rebuilder(storages.locate, nested, budget, legacy=True)
    first = Unpickler(reader, rebuild).load()
    if first != MAGIC or not isinstance(first, int):
        if storages.records:
            raise UnreadableError("a plain pickle that refers to storages of torch.save: it is a part of another file")
        if reader.position < source.size and source.read(reader.position, 2) == b"PK":
            raise UnreadableError("refused: a pickle followed by a zip file, which readers take for different things")
        return Described(first, "plain pickle", rebuild)
    Unpickler(reader, rebuild).load()
    system = Unpickler(reader, rebuild).load()
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise UnreadableError("written on a big-endian machine: load it with torch on this machine and save it again")
    root = Unpickler(reader, rebuild).load()
    keys = Unpickler(reader, rebuild).load()
    storages.place(keys, reader.position)
    return Described(root, "torch legacy file", rebuild)


def read_nested(content: bytes, budget: Budget) -> Any:
    """Return a storage that was saved inside a pickle; one that holds another is refused."""
    described = read_legacy(BytesSource(content), None, budget)
    if not isinstance(described.root, StorageRef) or described.refused:
        raise UnreadableError("damaged: the bytes of a storage hold no storage")
    return described.root
