"""Read zip files of torch.save and TorchScript. Sizes are checked before a record is read."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from spikecheck.checkpoint.rebuild import Rebuilder
from spikecheck.checkpoint.source import BytesSource
from spikecheck.checkpoint.unpickle import PickleReader, Unpickler
from spikecheck.checkpoint.values import ITEM_SIZES, Record, Source
from spikecheck.errors import UnreadableError

MAX_RECORDS = 500_000
MAX_DESCRIPTION = 1 << 29
MAX_DIRECTORY = 1 << 28
MAX_RATIO, HARMLESS = 200, 1 << 24  # a record that unpacks to more than 16 MB and 200 times its size is a bomb
LOCAL_HEADER = struct.Struct("<4s5H3L2H")


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


class Archive:
    """The records of a zip file by name, without the directory that torch puts them all into."""

    def __init__(self, source: Source) -> None:
        self.source = source
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
        if len(infos) > MAX_RECORDS:
            raise UnreadableError(f"a zip file with {len(infos):,} records: no checkpoint has so many")
        self.infos = {info.filename.partition("/")[2]: info for info in infos}
        if len(self.infos) < len(infos):
            raise UnreadableError("damaged: two records in the zip file have the same name")
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
        return Record(name, self.source, offset, info.file_size, packed, info.CRC)

    def content(self, name: str) -> bytes:
        """Return the bytes of a small record, verified by their checksum."""
        record = self.record(name)
        if record.size > MAX_DESCRIPTION:
            raise UnreadableError(f"record {name!r} is too large to describe tensors: {record.size:,} bytes")
        raw = self.source.read(record.offset, record.size if record.packed is None else record.packed)
        if record.packed is not None:
            raw = inflate(raw, record.size)
        if len(raw) != record.size or zlib.crc32(raw) != record.crc:
            raise UnreadableError(f"corrupt: record {name!r} does not match its checksum")
        return raw


def inflate(raw: bytes, size: int) -> bytes:
    """Return deflated bytes, unpacked to no more than one byte beyond their size."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, size + 1)
    except zlib.error as error:
        raise UnreadableError("corrupt: a compressed record cannot be unpacked") from error


def read_archive(source: Source, nested: Any) -> tuple[Any, str, Mapping[str, None]]:
    """Return what a zip file holds, the name of its format, and the globals that were refused."""
    archive = Archive(source)
    if "data.pkl" not in archive.infos:
        inside = ", ".join(sorted(archive.infos)[:3])
        raise UnreadableError(f"a zip file, but not one of torch.save: it has no data.pkl (it holds {inside})")
    if "byteorder" in archive.infos and archive.content("byteorder").strip() == b"big":
        raise UnreadableError("written on a big-endian machine: load it with torch on this machine and save it again")
    script = any(name.startswith("code/") for name in archive.infos) or "constants.pkl" in archive.infos

    def locate(key: str, dtype: str, elements: int) -> Record:
        record = archive.record(f"data/{key}")
        if record.size != elements * ITEM_SIZES[dtype]:
            raise UnreadableError(
                f"damaged: storage {key} has {record.size:,} bytes instead of {elements:,} elements of {dtype}"
            )
        return record

    rebuild = Rebuilder(locate, nested)
    content = archive.content("data.pkl")
    root = Unpickler(PickleReader(BytesSource(content)), rebuild).load()
    return root, "TorchScript (its code was not read)" if script else "torch zip file", rebuild.refused
