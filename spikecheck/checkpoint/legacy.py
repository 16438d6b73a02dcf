"""Files of torch before 1.6, and plain pickles: one pickle after the other, then the storages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spikecheck.checkpoint.rebuild import Rebuilder
from spikecheck.checkpoint.source import BytesSource
from spikecheck.checkpoint.unpickle import Reader, Unpickler
from spikecheck.checkpoint.values import ITEM_SIZES, Record, Source, StorageRef
from spikecheck.errors import UnreadableError

MAGIC = 0x1950A86A20F9469CFC6C
NESTED = 1


@dataclass(eq=False)
class Late:
    """A source whose place in the file is known only after the pickle was read."""

    source: Source
    start: int = 0
    size: int = 0

    def readinto(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from a place on; how many bytes there were."""
        return self.source.readinto(self.start + offset, buffer)

    def read(self, offset: int, count: int) -> bytes:
        """At most so many bytes from a place on."""
        return self.source.read(self.start + offset, min(count, self.size - offset))


@dataclass
class Storages:
    """The storages that a pickle announced, by key."""

    source: Source
    records: dict[str, tuple[Record, Late, str]] = field(default_factory=dict)

    def locate(self, key: str, dtype: str, elements: int) -> Record:
        """The record of a key, its place still open."""
        if key in self.records:
            record, _, known = self.records[key]
            if record.size != elements * ITEM_SIZES[dtype] or known != dtype:
                raise UnreadableError(f"damaged: storage {key} is announced twice, and differently")
            return record
        late = Late(self.source, size=elements * ITEM_SIZES[dtype])
        record = Record(key, late, 0, late.size)
        self.records[key] = (record, late, dtype)
        return record

    def place(self, keys: Any, position: int) -> None:
        """Storages follow the list of their keys, each after its number of elements."""
        if (
            not isinstance(keys, list)
            or {str(key) for key in keys} != set(self.records)
            or len(keys) != len(self.records)
        ):
            raise UnreadableError("damaged: the list of storages does not fit the tensors")
        for key in map(str, keys):
            record, late, dtype = self.records[key]
            elements = int.from_bytes(self.source.read(position, 8), "little")
            if elements * ITEM_SIZES[dtype] != record.size:
                raise UnreadableError(f"damaged or cut short: storage {key} does not say the size announced")
            late.start = position + 8
            position = late.start + record.size
            if position > self.source.size:
                raise UnreadableError(f"cut short: storage {key} reaches beyond the end of the file")


Nested = Callable[[bytes], Any]


def read_legacy(source: Source, nested: Nested | None = None) -> tuple[Any, str, Mapping[str, None]]:
    """What a legacy file or plain pickle holds, its format in words, and the names that were refused."""
    reader, storages = Reader(source), Storages(source)
    rebuild = Rebuilder(storages.locate, nested)
    first = Unpickler(reader, rebuild).load()
    if first != MAGIC or not isinstance(first, int):
        if storages.records:
            raise UnreadableError("a plain pickle with storages of torch.save: cut out of another file")
        return first, "plain pickle", rebuild.refused
    Unpickler(reader, rebuild).load()
    system = Unpickler(reader, rebuild).load()
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise UnreadableError("written on a big-endian machine: load and save it on this one")
    found = Unpickler(reader, rebuild).load()
    keys = Unpickler(reader, rebuild).load()
    storages.place(keys, reader.position)
    return found, "torch legacy file", rebuild.refused


def read_nested(content: bytes) -> Any:
    """A storage that was saved by itself within a pickle; one within another within another is refused."""
    found, _, _ = read_legacy(BytesSource(content))
    if not isinstance(found, StorageRef):
        raise UnreadableError("damaged: the bytes of a storage hold something else")
    return found
