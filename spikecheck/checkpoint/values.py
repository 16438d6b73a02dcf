"""What a checkpoint says it holds, before any value is read: records, storages, tensors, and stand-ins.

Nothing here has behaviour that a file could choose. Compared and hashed by identity, so that no hash of a file's making
is ever computed.
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
KEY_NODES = 64


class Source(Protocol):
    """Bytes with a size, read at any place."""

    size: int

    def readinto(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from a place on; how many bytes there were."""
        ...

    def read(self, offset: int, count: int) -> bytes:
        """At most so many bytes from a place on."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Record:
    """Where the bytes of a storage lie, and how they are checked."""

    name: str
    source: Source
    offset: int
    size: int  # when unpacked
    packed: int | None = None  # bytes in the file, where they are deflated
    crc: int | None = None


@dataclass(frozen=True, eq=False, slots=True)
class StorageRef:
    """A row of elements of one type; no record where the file holds none (meta)."""

    record: Record | None
    dtype: str
    elements: int


@dataclass(frozen=True, eq=False, slots=True)
class TensorRef:
    """A tensor as the file describes it: a view of a storage, in elements.

    `remark` says what is special: values of a sparse tensor, integers of a quantized one, none at all.
    """

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    remark: str = ""

    @property
    def dtype(self) -> str:
        """Torch's name of the element type."""
        return self.storage.dtype


@dataclass(frozen=True, eq=False, slots=True)
class Named:
    """A global that a pickle names. It is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Standin:
    """What takes the place of an object that only running the file's own code could make."""

    of: str
    args: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)


def safe_key(key: Any) -> Any:
    """The key of a dict; one that is no plain value counts by identity, so that nothing deep is ever hashed."""
    if isinstance(key, str | int | float | bytes | Standin | TensorRef | Named) or key is None:
        return key
    if isinstance(key, tuple):
        flat = [key]
        for part in flat:
            flat += [inner for inner in part if isinstance(inner, tuple)]
            if len(flat) > KEY_NODES or not all(isinstance(p, tuple | str | int | float | None) for p in part):
                return Standin("a key", (key,))
        return key
    return Standin("a key", (key,))
