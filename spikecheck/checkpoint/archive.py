"""Read zip files of torch.save and TorchScript. Sizes are checked before a record is read."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from spikecheck.checkpoint.budget import Budget
from spikecheck.checkpoint.described import Described
from spikecheck.checkpoint.rebuild import Rebuilder
from spikecheck.checkpoint.source import BytesSource
from spikecheck.checkpoint.unpickle import PickleReader, Unpickler
from spikecheck.checkpoint.values import ITEM_SIZES, Record, Source
from spikecheck.errors import UnreadableError

MAX_RECORDS = 500_000
MAX_DESCRIPTION = 1 << 27
MAX_DIRECTORY = 1 << 28
MAX_RATIO, HARMLESS = 200, 1 << 24  # a record that unpacks to more than 16 MB and 200 times its size is a bomb
LOCAL_HEADER = struct.Struct("<4s5H3L2H")
END, END64, LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
FOREIGN_ARCHIVES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda n: n.endswith("model.weights.h5"), "a Keras model: spikecheck reads models of PyTorch"),
    (
        lambda n: n.endswith(".npy"),
        "arrays of numpy.savez, not a checkpoint: pass it with --data, or save the weights with torch.save",
    ),
    (lambda n: n.startswith("word/") or n == "[Content_Types].xml", "an Office document, not a checkpoint"),
    (lambda n: n.endswith((".pt", ".pth", ".ckpt", ".safetensors")), "a zip file of several files: unpack it first"),
)


class SourceFile(io.RawIOBase):
    """A source as the file object that `zipfile` needs."""

    def __init__(self, source: Source) -> None:
        self.source, self.position = source, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position; OSError for one before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.source.size}[whence]
        if base + offset < 0:
            raise OSError("a position before the start")
        self.position = base + offset
        return self.position

    def tell(self) -> int:
        """Return the position."""
        return self.position

    def read(self, size: int = -1) -> bytes:
        """Return at most `size` bytes; OSError for more than a directory can have."""
        count = self.source.size - self.position if size < 0 else size
        if count > MAX_DIRECTORY:
            raise OSError("too many bytes at once")
        content = self.source.read(self.position, count) if self.position < self.source.size else b""
        self.position += len(content)
        return content

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return how many bytes there were."""
        count = (
            self.source.readinto(self.position, memoryview(buffer).cast("B")) if self.position < self.source.size else 0
        )
        self.position += count
        return count


@dataclass(frozen=True)
class Directory:
    """Where a zip file's directory lies, by the record at the file's end."""

    records: int
    offset: int
    end: int  # where the first of the records behind the directory begins


def find_directory(source: Source) -> Directory:
    """Return where the directory lies; UnreadableError if the file has anything behind its end.

    Of two archives in one file, one reader takes the first and another the last. A file of torch.save is a single
    archive from its first byte to its last, without a comment.
    """
    at = source.size - END.size
    tail = source.read(at, END.size) if at >= 0 else b""
    if len(tail) < END.size or not tail.startswith(b"PK\x05\x06") or tail[-2:] != b"\0\0":
        raise UnreadableError("truncated or damaged: the directory of the zip file is not at its end")
    _, _, _, here, records, size, offset, _ = END.unpack(tail)
    end = at
    locator = source.read(at - LOCATOR.size, LOCATOR.size) if at >= LOCATOR.size else b""
    if locator.startswith(b"PK\x06\x07"):
        _, _, end, _ = LOCATOR.unpack(locator)
        large = source.read(end, END64.size)
        if len(large) < END64.size or not large.startswith(b"PK\x06\x06") or end + END64.size != at - LOCATOR.size:
            raise UnreadableError("damaged: the directory of the zip file is not where its end says")
        *_, here, records, size, offset = END64.unpack(large)
    if here != records or offset + size != end:
        raise UnreadableError("damaged: the zip file has several archives, or bytes outside of them")
    return Directory(records, offset, end)


class Archive:
    """The records of a zip file by name, without the directory that torch puts them all into."""

    def __init__(self, source: Source, budget: Budget) -> None:
        self.source, self.budget = source, budget
        directory = find_directory(source)
        if directory.records > MAX_RECORDS:
            raise UnreadableError(f"a zip file with {directory.records:,} records: no checkpoint has so many")
        budget.spend_bytes(directory.end - directory.offset)
        budget.allow_unpacking(MAX_RATIO * source.size)
        try:
            with zipfile.ZipFile(SourceFile(source)) as file:
                infos = file.infolist()
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            OSError,
            ValueError,
            struct.error,
            NotImplementedError,
        ) as error:
            raise UnreadableError("truncated or damaged: the directory of the zip file cannot be read") from error
        if len(infos) != directory.records:
            raise UnreadableError("damaged: the zip file does not have the number of records that it announces")
        if infos and min(info.header_offset for info in infos) != 0:
            raise UnreadableError("damaged: the zip file does not begin with its first record")
        # torch looks in the directory of the first record, without regard to the case of letters
        folder = infos[0].filename.partition("/")[0] + "/" if infos else ""
        self.infos = {i.filename.removeprefix(folder): i for i in infos if i.filename.startswith(folder)}
        if len({info.filename.lower() for info in infos}) < len(infos):
            raise UnreadableError("damaged: two records in the zip file have the same name")
        if any(info.filename != info.orig_filename for info in infos):
            raise UnreadableError("damaged: the name of a record in the zip file contains a null character")
        self.records: dict[str, Record] = {}
        self.refuse_overlaps(infos)

    def refuse_overlaps(self, infos: list[zipfile.ZipInfo]) -> None:
        """Raise UnreadableError where records share bytes, which makes a small file unpack to a huge one."""
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset < end or info.header_offset + info.compress_size > self.source.size:
                raise UnreadableError("damaged: records in the zip file overlap or extend beyond its end")
            end = info.header_offset + LOCAL_HEADER.size + info.compress_size

    def record(self, name: str) -> Record:
        """Return where a record's bytes lie; UnreadableError where there is none, or it unpacks to too much."""
        if name not in self.records:
            info = self.infos.get(name)
            if info is None:
                raise UnreadableError(f"damaged: the zip file has no record {name!r}")
            self.records[name] = self.locate(name, info)
        return self.records[name]

    def locate(self, name: str, info: zipfile.ZipInfo) -> Record:
        """Return the record, by its local header."""
        if info.flag_bits & 1:
            raise UnreadableError("an encrypted zip file: decrypt it first")
        stored = info.compress_type == zipfile.ZIP_STORED
        if not stored and info.compress_type != zipfile.ZIP_DEFLATED:
            raise UnreadableError(f"record {name!r} uses a compression method that torch does not use")
        if stored and info.file_size != info.compress_size:
            raise UnreadableError(f"damaged: record {name!r} has two different sizes")
        if info.file_size > max(HARMLESS, MAX_RATIO * info.compress_size):
            raise UnreadableError(
                f"a zip bomb: record {name!r} unpacks from {info.compress_size:,} to {info.file_size:,} bytes"
            )
        header = self.source.read(info.header_offset, LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise UnreadableError(f"damaged: record {name!r} is not where the zip file's directory says")
        *_, name_size, extra_size = LOCAL_HEADER.unpack(header)
        offset = info.header_offset + LOCAL_HEADER.size + name_size + extra_size
        if offset + info.compress_size > self.source.size:
            raise UnreadableError(f"truncated: record {name!r} extends beyond the end of the file")
        packed = None if stored else info.compress_size
        if not stored:
            self.budget.spend_unpacked(info.file_size)
        return Record(name, self.source, offset, info.file_size, packed, info.CRC)

    def content(self, name: str) -> bytes:
        """Return the bytes of a small record, verified by their checksum."""
        record = self.record(name)
        if record.size > MAX_DESCRIPTION:
            raise UnreadableError(f"record {name!r} is too large to describe tensors: {record.size:,} bytes")
        raw = self.source.read(record.offset, record.size if record.packed is None else record.packed)
        if record.packed is not None:
            raw = inflate(raw, record.size)
        self.budget.spend_bytes(record.size)
        if len(raw) != record.size or zlib.crc32(raw) != record.crc:
            raise UnreadableError(f"corrupt: record {name!r} does not match its checksum")
        return raw


def inflate(raw: bytes, size: int) -> bytes:
    """Return deflated bytes, unpacked to no more than one byte beyond their size."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, size + 1)
    except zlib.error as error:
        raise UnreadableError("corrupt: a compressed record cannot be unpacked") from error


def read_archive(source: Source, nested: Any, budget: Budget) -> Described:
    """Return what a zip file holds."""
    archive = Archive(source, budget)
    if "data.pkl" not in archive.infos:
        raise UnreadableError(foreign_archive(archive.infos))
    if "byteorder" in archive.infos and archive.content("byteorder").strip() == b"big":
        raise UnreadableError("written on a big-endian machine: load it with torch on this machine and save it again")
    script = any(name.startswith("code/") for name in archive.infos) or "constants.pkl" in archive.infos
    rebuild = Rebuilder(Storages(archive, "data/").locate, nested, budget, script=script)
    root = unpickled(archive, "data.pkl", rebuild)
    if script and "constants.pkl" in archive.infos:  # tensors that the code uses, beside the parameters
        rebuild.records = Storages(archive, "constants/").locate
        rebuild.set_aside({"constants": unpickled(archive, "constants.pkl", rebuild)})
    return Described(root, "TorchScript (its code was not read)" if script else "torch zip file", rebuild)


@dataclass
class Storages:
    """The storages of an archive, in one folder of it."""

    archive: Archive
    folder: str
    types: dict[str, str] = field(default_factory=dict)

    def locate(self, key: str, dtype: str, elements: int) -> Record:
        """Return the record of a storage; UnreadableError where it has another size, or is described twice."""
        record = self.archive.record(f"{self.folder}{key}")
        if record.size != elements * ITEM_SIZES[dtype]:
            raise UnreadableError(
                f"damaged: storage {key} has {record.size:,} bytes instead of {elements:,} elements of {dtype}"
            )
        if self.types.setdefault(key, dtype) != dtype:  # torch would give both the type of the first
            raise UnreadableError(f"damaged: storage {key} is described twice, with different types")
        return record


def unpickled(archive: Archive, name: str, rebuild: Rebuilder) -> Any:
    """Return the object that a record of an archive describes."""
    return Unpickler(PickleReader(BytesSource(archive.content(name)), rebuild.budget), rebuild).load()


def foreign_archive(names: Iterable[str]) -> str:
    """Return what a zip file is that has no data.pkl, and what to do."""
    every = sorted(names)
    for has, description in FOREIGN_ARCHIVES:
        if any(map(has, every)):
            return description
    return f"a zip file, but not one of torch.save: it has no data.pkl (it holds {', '.join(every[:3])})"
