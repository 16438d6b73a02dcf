"""Zip files: torch.save's own, and TorchScript's. Sizes are looked at before a record is read."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from spikecheck.checkpoint.rebuild import Rebuilder
from spikecheck.checkpoint.source import BytesSource
from spikecheck.checkpoint.unpickle import Reader, Unpickler
from spikecheck.checkpoint.values import ITEM_SIZES, Record, Source
from spikecheck.errors import UnreadableError

MOST_RECORDS = 500_000
MOST_PICKLE = 1 << 29
MOST_DIRECTORY = 1 << 28
RATIO, SMALL = 200, 1 << 24  # a record that unpacks to more than 16 MB and 200 times its size is a bomb
LOCAL_HEADER = struct.Struct("<4s5H3L2H")


class Window(io.RawIOBase):
    """A source as the file object that `zipfile` wants."""

    def __init__(self, source: Source) -> None:
        self.source, self.at = source, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; never before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.source.size}[whence]
        if base + offset < 0:
            raise OSError("before the start")
        self.at = base + offset
        return self.at

    def tell(self) -> int:
        """The place."""
        return self.at

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; OSError for a directory that claims to be larger than any."""
        wanted = self.source.size - self.at if size < 0 else size
        if wanted > MOST_DIRECTORY:
            raise OSError("too much at once")
        got = self.source.read(self.at, wanted) if self.at < self.source.size else b""
        self.at += len(got)
        return got

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        got = self.source.readinto(self.at, memoryview(buffer).cast("B")) if self.at < self.source.size else 0
        self.at += got
        return got


class Archive:
    """The records of a zip file by name, without the folder that torch puts them all into."""

    def __init__(self, source: Source) -> None:
        self.source = source
        try:
            with zipfile.ZipFile(Window(source)) as file:
                infos = file.infolist()
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            OSError,
            ValueError,
            struct.error,
            NotImplementedError,
        ) as error:
            raise UnreadableError("cut short or damaged: a zip file without a readable directory") from error
        if len(infos) > MOST_RECORDS:
            raise UnreadableError(f"a zip file of {len(infos)} records: no checkpoint has so many")
        self.infos = {info.filename.partition("/")[2]: info for info in infos}
        if len(self.infos) < len(infos):
            raise UnreadableError("damaged: two records of the zip file have the same name")
        self.records: dict[str, Record] = {}
        self.refuse_overlaps(infos)

    def refuse_overlaps(self, infos: list[zipfile.ZipInfo]) -> None:
        """UnreadableError where records share bytes: a small file that unpacks to a huge one."""
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            if info.header_offset < end or info.header_offset + info.compress_size > self.source.size:
                raise UnreadableError("damaged: records of the zip file overlap, or reach beyond its end")
            end = info.header_offset + LOCAL_HEADER.size + info.compress_size

    def record(self, name: str) -> Record:
        """Where a record's bytes lie; UnreadableError where there is none or it unpacks to too much."""
        if name not in self.records:
            info = self.infos.get(name)
            if info is None:
                raise UnreadableError(f"damaged: the zip file has no record {name!r}")
            self.records[name] = self.located(name, info)
        return self.records[name]

    def located(self, name: str, info: zipfile.ZipInfo) -> Record:
        """The record, its local header read."""
        if info.flag_bits & 1:
            raise UnreadableError("encrypted")
        stored = info.compress_type == zipfile.ZIP_STORED
        if not stored and info.compress_type != zipfile.ZIP_DEFLATED:
            raise UnreadableError(f"record {name!r} is packed in a way that torch does not use")
        if stored and info.file_size != info.compress_size:
            raise UnreadableError(f"damaged: record {name!r} has two sizes")
        if info.file_size > max(SMALL, RATIO * info.compress_size):
            raise UnreadableError(
                f"record {name!r} unpacks from {info.compress_size} to {info.file_size} bytes: a zip bomb"
            )
        header = self.source.read(info.header_offset, LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise UnreadableError(f"damaged: record {name!r} is not where the directory says")
        *_, names, extra = LOCAL_HEADER.unpack(header)
        offset = info.header_offset + LOCAL_HEADER.size + names + extra
        if offset + info.compress_size > self.source.size:
            raise UnreadableError(f"cut short: record {name!r} reaches beyond the end of the file")
        packed = None if stored else info.compress_size
        return Record(name, self.source, offset, info.file_size, packed, info.CRC)

    def content(self, name: str) -> bytes:
        """A small record's bytes, checked against their checksum."""
        record = self.record(name)
        if record.size > MOST_PICKLE:
            raise UnreadableError(f"record {name!r} of {record.size} bytes is too large for what describes tensors")
        raw = self.source.read(record.offset, record.size if record.packed is None else record.packed)
        if record.packed is not None:
            raw = inflated(raw, record.size)
        if len(raw) != record.size or zlib.crc32(raw) != record.crc:
            raise UnreadableError(f"corrupt: record {name!r} does not fit its checksum")
        return raw


def inflated(raw: bytes, size: int) -> bytes:
    """Deflated bytes, unpacked to no more than they should be."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, size + 1)
    except zlib.error as error:
        raise UnreadableError("corrupt: a packed record cannot be unpacked") from error


def read_archive(source: Source, nested: Any) -> tuple[Any, str, Mapping[str, None]]:
    """What a zip file holds, its format in words, and the names that were refused."""
    archive = Archive(source)
    if "data.pkl" not in archive.infos:
        inside = ", ".join(sorted(archive.infos)[:3])
        raise UnreadableError(f"a zip file, but none of torch.save: it has no data.pkl (but {inside})")
    if "byteorder" in archive.infos and archive.content("byteorder").strip() == b"big":
        raise UnreadableError("written on a big-endian machine: load and save it on this one")
    script = any(name.startswith("code/") for name in archive.infos) or "constants.pkl" in archive.infos

    def locate(key: str, dtype: str, elements: int) -> Record:
        record = archive.record(f"data/{key}")
        if record.size != elements * ITEM_SIZES[dtype]:
            raise UnreadableError(
                f"damaged: storage {key} holds {record.size} bytes, {elements} elements of {dtype} were announced"
            )
        return record

    rebuild = Rebuilder(locate, nested)
    content = archive.content("data.pkl")
    found = Unpickler(Reader(BytesSource(content)), rebuild).load()
    return found, "TorchScript (its code was not looked at)" if script else "torch zip file", rebuild.refused
