"""CRC-32, the checksum of zip files: of pieces that were looked at apart, and of a record as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from spikecheck.checkpoint.values import Record
from spikecheck.errors import UnreadableError

POLYNOMIAL = 0xEDB88320  # the bits of a checksum are reversed: the highest is the coefficient of 1
ONE = 1 << 31
BYTE = ONE >> 8  # x to the power of 8


def combined(first: int, second: int, length: int) -> int:
    """The checksum of two pieces, the second of `length` bytes, from the checksum of each.

    Bytes that follow multiply the remainder of what came before by x to the power of 8 each. zlib has this as
    `crc32_combine`, which Python passes on only since 3.15.
    """
    return product(first, shift(length)) ^ second


@lru_cache(maxsize=64)
def shift(length: int) -> int:
    """X to the power of eight times a length, by squaring."""
    power, square = ONE, BYTE
    while length:
        if length & 1:
            power = product(power, square)
        square = product(square, square)
        length >>= 1
    return power


def product(a: int, b: int) -> int:
    """Two polynomials multiplied, modulo that of the checksum."""
    total = 0
    while a:
        if a & ONE:
            total ^= b
        a = (a << 1) & (2 * ONE - 1)
        b = (b >> 1) ^ POLYNOMIAL if b & 1 else b >> 1
    return total


@dataclass
class Proof:
    """What was seen of a record so far, in order: how many bytes, and their checksum."""

    record: Record
    done: int = 0
    value: int = 0

    def add(self, count: int, checksum: int | None) -> None:
        """The next bytes, and the checksum of them alone; None where the record has none to compare with."""
        self.done += count
        if checksum is not None:
            self.value = combined(self.value, checksum, count)

    def close(self) -> None:
        """UnreadableError where bytes were missing or do not fit the record's checksum."""
        record = self.record
        if self.done != record.size:
            raise UnreadableError(f"cut short: storage {record.name!r} has {self.done} of {record.size} bytes")
        if record.crc is not None and self.value != record.crc:
            raise UnreadableError(f"corrupt: storage {record.name!r} does not fit its checksum")
