"""Opens a file without being caught by what it is, and says what its first bytes show."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from spikecheck.errors import UnreadableError

HEAD = 1 << 12
KINDS = (
    (stat.S_ISDIR, "a folder, not a checkpoint"),
    (stat.S_ISFIFO, "a named pipe, not a regular file: use - to read from a pipe"),
    (stat.S_ISSOCK, "a socket, not a regular file"),
    (stat.S_ISCHR, "a device, not a regular file"),
    (stat.S_ISBLK, "a device, not a regular file"),
)
WORDS = {
    errno.ENOENT: "there is no such file",
    errno.ELOOP: "the links to it go in a circle",
    errno.EACCES: "not allowed to read it",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.ENAMETOOLONG: "its name is too long",
}
FOREIGN = (
    (b"version https://git-lfs", "a pointer of git-lfs, not the file itself: run `git lfs pull`"),
    (b"\x93NUMPY", "a numpy array, not a checkpoint of torch"),
    (b"\x1f\x8b", "compressed by gzip: unpack it first"),
    (b"BZh", "compressed by bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "compressed by xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it first"),
    (b"GGUF", "a GGUF file, not a checkpoint of torch"),
    (b"<!DOCTYPE", "a web page: the download failed"),
    (b"<html", "a web page: the download failed"),
)


class FileSource:
    """A regular file, read at any place; never mapped, so that a file cut short meanwhile cannot kill the process."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def readinto(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from a place on; how many bytes there were."""
        done = 0
        while done < len(buffer):
            got = os.preadv(self.descriptor, [buffer[done:]], offset + done)
            if got == 0:
                break
            done += got
        return done

    def read(self, offset: int, count: int) -> bytes:
        """At most so many bytes from a place on."""
        count = max(0, min(count, self.size - offset))
        buffer = bytearray(count)
        return bytes(buffer[: self.readinto(offset, memoryview(buffer))])


class BytesSource:
    """Bytes in memory, as a file."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def readinto(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from a place on; how many bytes there were."""
        part = self.content[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def read(self, offset: int, count: int) -> bytes:
        """At most so many bytes from a place on."""
        return self.content[offset : offset + max(0, count)]


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; UnreadableError says what else it is. Looks at the type before opening."""
    try:
        refuse_special(os.stat(path).st_mode)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = WORDS.get(error.errno or 0, os.strerror(error.errno or 0).lower())
        if error.errno == errno.ENOENT and path.is_symlink():
            why = "a link to a file that does not exist"
        raise UnreadableError(why) from error
    except ValueError as error:  # a null byte
        raise UnreadableError("its name cannot be that of a file") from error
    file = os.fdopen(descriptor, "rb", buffering=0)
    try:
        refuse_special(os.fstat(descriptor).st_mode)  # it may have been exchanged between the look and the opening
    except UnreadableError:
        file.close()
        raise
    return file


def refuse_special(mode: int) -> None:
    """UnreadableError for anything but a regular file."""
    for is_kind, what in KINDS:
        if is_kind(mode):
            raise UnreadableError(what)


def look(source: FileSource | BytesSource) -> str:
    """The format by its first bytes: zip, pickle, safetensors, hdf5 or json; UnreadableError says what else it is."""
    head = source.read(0, HEAD)
    if not head:
        raise UnreadableError("the file is empty")
    for begin, what in FOREIGN:
        if head.startswith(begin):
            raise UnreadableError(what)
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") > 0:
        return "safetensors"
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return "pickle"
    if not head.strip(b"\0"):
        raise UnreadableError(f"it begins with {len(head)} zeros: an empty or unfinished download")
    if head.lstrip().startswith(b"{"):
        return "json"
    if head[257:262] == b"ustar":
        raise UnreadableError("a tar archive: written by torch before 0.1.10, or no checkpoint; load and save it again")
    if head[:1] in b"(]}clidFISVNK" and b"\n" in head:  # a pickle of protocol 0 or 1 has no mark of its own
        return "pickle"
    raise UnreadableError("its first bytes are those of no checkpoint: neither zip, pickle, safetensors nor HDF5")
