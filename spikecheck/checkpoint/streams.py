"""The bytes of a record, a chunk at a time, checked against its size and its checksum."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from spikecheck.checkpoint.checksum import Proof
from spikecheck.checkpoint.values import Record
from spikecheck.errors import UnreadableError

CHUNK = 1 << 20


def verified(record: Record) -> Iterator[memoryview]:
    """All bytes of a record, each chunk valid until the next.

    Raises:
        UnreadableError: at the end, where bytes were missing or do not fit the checksum.
    """
    proof = Proof(record)
    for chunk in chunks(record) if record.packed is None else unpacked(record):
        proof.add(len(chunk), None if record.crc is None else zlib.crc32(chunk))
        yield chunk
    proof.close()


def chunks(record: Record) -> Iterator[memoryview]:
    """The bytes of a record that is not packed, in a buffer that is used again."""
    buffer = memoryview(bytearray(min(CHUNK, max(1, record.size))))
    for at in range(0, record.size, CHUNK):
        wanted = min(CHUNK, record.size - at)
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
