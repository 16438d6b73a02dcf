"""Read the bytes of a record in chunks, and verify their number and their checksum."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from spikecheck.checkpoint.values import Record
from spikecheck.errors import UnreadableError

CHUNK = 1 << 20  # bytes: a chunk and what is computed from it fit into a processor's cache


@dataclass
class ChecksumVerifier:
    """Compare the bytes of a record with the size and the checksum that the file announces."""

    record: Record
    size: int = 0
    checksum: int = 0

    def add(self, chunk: memoryview) -> None:
        """Add the next bytes; a record without a checksum is only counted."""
        self.size += len(chunk)
        if self.record.crc is not None:
            self.checksum = zlib.crc32(chunk, self.checksum)

    def verify(self) -> None:
        """Raise UnreadableError where bytes are missing or do not match the checksum."""
        record = self.record
        if self.size != record.size:
            raise UnreadableError(f"truncated: storage {record.name!r} has {self.size:,} of {record.size:,} bytes")
        if record.crc is not None and self.checksum != record.crc:
            raise UnreadableError(f"corrupt: storage {record.name!r} does not match its checksum")


class RecordReader:
    """Iterate over the bytes of a record in chunks of one size, each valid until the next is read.

    Deflated records are unpacked. The last step of the iteration verifies the record.

    Raises:
        UnreadableError: bytes are missing, cannot be unpacked, or do not match the checksum.
    """

    def __init__(self, record: Record, chunk_size: int = 0) -> None:
        self.record = record
        self.chunk_size = chunk_size or CHUNK

    def __iter__(self) -> Iterator[memoryview]:
        verifier = ChecksumVerifier(self.record)
        for chunk in self.inflated() if self.record.packed is not None else self.stored():
            verifier.add(chunk)
            yield chunk
        verifier.verify()

    def stored(self) -> Iterator[memoryview]:
        """Yield the bytes of a record that is not packed, in a buffer that is used again."""
        record = self.record
        buffer = memoryview(bytearray(min(self.chunk_size, record.size)))
        for offset in range(0, record.size, self.chunk_size):
            chunk = buffer[: record.size - offset]
            count = record.source.readinto(record.offset + offset, chunk)
            yield chunk[:count]
            if count < len(chunk):
                return

    def inflated(self) -> Iterator[memoryview]:
        """Yield the bytes of a deflated record; never more than a chunk is unpacked at a time."""
        record = self.record
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        offset, end = record.offset, record.offset + (record.packed or 0)
        total, chunk = 0, bytearray()
        while not inflater.eof:
            packed = inflater.unconsumed_tail
            if not packed:
                packed = record.source.read(offset, min(CHUNK, end - offset))
                offset += len(packed)
            try:
                unpacked = inflater.decompress(packed, self.chunk_size - len(chunk))
            except zlib.error as error:
                raise UnreadableError(f"corrupt: storage {record.name!r} cannot be unpacked") from error
            if not packed and not unpacked:  # without input there may still be output that did not fit before
                break
            total += len(unpacked)
            if total > record.size:
                raise UnreadableError(
                    f"corrupt: storage {record.name!r} unpacks to more than the {record.size:,} bytes announced"
                )
            chunk += unpacked
            if len(chunk) == self.chunk_size:
                yield memoryview(chunk)
                chunk = bytearray()
        if chunk:
            yield memoryview(chunk)


def read_record(record: Record) -> bytearray:
    """Return all bytes of a record, unpacked and verified."""
    content = bytearray()
    for chunk in RecordReader(record):
        content += chunk
    return content
