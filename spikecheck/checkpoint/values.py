"""Describe what a checkpoint holds, before any value is read: records, storages, tensors, and stand-ins.

Nothing here has behavior that a file could choose. All are compared and hashed by identity, so that a file cannot make
a hash expensive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

#: Bytes of one element, by torch's name of the type.
ITEM_SIZES: Mapping[str, int] = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "uint16": 2,
    "int16": 2,
    "uint32": 4,
    "int32": 4,
    "uint64": 8,
    "int64": 8,
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
    "float64": 8,
    "complex32": 4,
    "complex64": 8,
    "complex128": 16,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e8m0fnu": 1,
    "quint8": 1,
    "qint8": 1,
    "qint32": 4,
}
MAX_KEY_NODES = 64


class Source(Protocol):
    """Bytes with a size, read at any offset."""

    size: int

    def readinto(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset on; return how many bytes there were."""
        ...

    def read(self, offset: int, count: int) -> bytes:
        """Return at most `count` bytes from an offset on."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Record:
    """Where the bytes of a storage lie, and how they are verified."""

    name: str
    source: Source
    offset: int
    size: int  # when unpacked
    packed: int | None = None  # bytes in the file, where they are deflated
    crc: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class StorageRef:
    """Elements of one type in a row; no record where the file holds none (meta)."""

    record: Record | None
    dtype: str
    elements: int


@dataclass(frozen=True, eq=False, slots=True)
class TensorRef:
    """A tensor as the file describes it: a view of a storage, in elements.

    `remark` says what is special: the values of a sparse tensor, the integers of a quantized one, no values at all.
    """

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    remark: str = ""

    @property
    def dtype(self) -> str:
        """Return torch's name of the element type."""
        return self.storage.dtype


@dataclass(frozen=True, eq=False, slots=True)
class GlobalName:
    """A global that a pickle names; it is never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Standin:
    """An inert object in place of one that only code named by the file could create."""

    of: str
    args: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)


def safe_key(key: Any) -> Any:
    """Return the key of a dict; one that is no plain value counts by identity, so that nothing large is hashed."""
    if isinstance(key, str | int | float | bytes | Standin | TensorRef | StorageRef | GlobalName) or key is None:
        return key
    if isinstance(key, tuple):
        nodes, waiting = 0, [key]
        while waiting:
            part = waiting.pop()
            nodes += len(part)
            plain = nodes <= MAX_KEY_NODES and all(isinstance(p, tuple | str | int | float | None) for p in part)
            if not plain:
                return Standin("a key", (key,))
            waiting += [inner for inner in part if isinstance(inner, tuple)]
        return key
    return Standin("a key", (key,))
