"""The bytes of a record, a chunk at a time, checked against its size and its checksum."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from spikecheck.checkpoint.values import Record
from spikecheck.errors import UnreadableError

CHUNK = 1 << 20  # fits a processor's own cache, where its checksum and its figures are reckoned
AHEAD = 1 << 24


def verified(record: Record, size: int = CHUNK) -> Iterator[memoryview]:
    """All bytes of a record, `size` at a time, each chunk valid until the next.

    Raises:
        UnreadableError: at the end, where bytes were missing or do not fit the checksum.
    """
    done, checksum = 0, 0
    for chunk in chunks(record, size) if record.packed is None else unpacked(record):
        if record.crc is not None:
            checksum = zlib.crc32(chunk, checksum)
        done += len(chunk)
        yield chunk
    if done != record.size:
        raise UnreadableError(f"cut short: storage {record.name!r} has {done} of {record.size} bytes")
    if record.crc is not None and checksum != record.crc:
        raise UnreadableError(f"corrupt: storage {record.name!r} does not fit its checksum")


def chunks(record: Record, size: int = CHUNK) -> Iterator[memoryview]:
    """The bytes of a record that is not packed, in a buffer that is used again."""
    buffer = memoryview(bytearray(min(size, max(1, record.size))))
    expected = 0
    for at in range(0, record.size, size):
        if at + AHEAD > expected and expected < record.size:  # what comes next is on its way while this is looked at
            record.source.expect(record.offset + expected, min(AHEAD, record.size - expected))
            expected += AHEAD
        wanted = min(size, record.size - at)
        got = record.source.readinto(record.offset + at, buffer[:wanted])
        yield buffer[:got]
        if got < wanted:
            return


def unpacked(record: Record) -> Iterator[memoryview]:
    """The bytes of a deflated record, a chunk at a time and never more than that in memory."""
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    left, at = record.packed or 0, record.offset
    total, rest, ready = 0, b"", bytearray()
    while not machine.eof:
        if not rest:
            rest = record.source.read(at, min(CHUNK, left))
            at, left = at + len(rest), left - len(rest)
            if not rest:
                break
        try:
            ready += machine.decompress(rest, CHUNK - len(ready))
        except zlib.error as error:
            raise UnreadableError(f"corrupt: storage {record.name!r} cannot be unpacked") from error
        rest = machine.unconsumed_tail
        if len(ready) == CHUNK:
            total += CHUNK
            if total > record.size:
                raise UnreadableError(f"storage {record.name!r} unpacks to more than the {record.size} bytes announced")
            yield memoryview(ready)
            ready = bytearray()
    if ready:
        yield memoryview(ready)
