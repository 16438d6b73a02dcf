"""Open a file safely, whatever it is, and detect its format by its first bytes."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

from spikecheck.errors import UnreadableError

HEAD = 1 << 12
SPECIAL_FILES = (
    (stat.S_ISDIR, "a directory, not a checkpoint file: pass the file, or a pattern such as 'runs/*.pt'"),
    (stat.S_ISFIFO, "a named pipe, not a regular file: pipe it in and pass - as the file"),
    (stat.S_ISSOCK, "a socket, not a regular file"),
    (stat.S_ISCHR, "a device, not a regular file"),
    (stat.S_ISBLK, "a device, not a regular file"),
)
REASONS = {
    errno.ENOENT: "no such file",
    errno.ELOOP: "a symbolic link that leads back to itself",
    errno.EACCES: "permission denied",
    errno.ENOTDIR: "part of its path is not a directory",
    errno.ENAMETOOLONG: "the file name is too long",
}
FOREIGN = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"\x93NUMPY", "a NumPy array, not a checkpoint: pass a batch with --data, and weights with torch.save"),
    (b"\x1f\x8b", "compressed with gzip: decompress it first"),
    (b"BZh", "compressed with bzip2: decompress it first"),
    (b"\xfd7zXZ\x00", "compressed with xz: decompress it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: decompress it first"),
    (b"GGUF", "a GGUF file: pass the PyTorch or safetensors file that it was made from"),
    (b"<!DOCTYPE", "a web page: the download failed"),
    (b"<html", "a web page: the download failed"),
)
# Those that this system has: O_NONBLOCK keeps the opening of a pipe from waiting, the last two are of Windows.
OPEN_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT"))


class FileSource:
    """A regular file, read at any offset; never mapped into memory, since truncating a mapped file ends the process."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.raw = io.FileIO(file.fileno(), closefd=False)
        self.size = os.fstat(file.fileno()).st_size

    def readinto(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset on; return how many bytes there were."""
        self.raw.seek(offset)
        done = 0
        while done < len(buffer) and (count := self.raw.readinto(buffer[done:])):
            done += count
        return done

    def read(self, offset: int, count: int) -> bytes:
        """Return at most `count` bytes from an offset on."""
        count = max(0, min(count, self.size - offset))
        buffer = bytearray(count)
        return bytes(buffer[: self.readinto(offset, memoryview(buffer))])


class BytesSource:
    """Bytes in memory, read as a file is."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def readinto(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset on; return how many bytes there were."""
        part = self.content[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def read(self, offset: int, count: int) -> bytes:
        """Return at most `count` bytes from an offset on."""
        return self.content[offset : offset + max(0, count)]


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading; its type is looked at first, since opening a pipe would wait for ever.

    Raises:
        UnreadableError: there is no such file, or it is no regular file.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise UnreadableError(describe_folder(path))
        refuse_special_files(mode)
        descriptor = os.open(path, OPEN_FLAGS)
    except OSError as error:
        reason = REASONS.get(error.errno or 0, os.strerror(error.errno or 0).lower())
        if error.errno == errno.ENOENT and path.is_symlink():
            reason = "a link to a file that does not exist"
        raise UnreadableError(reason) from error
    except ValueError as error:  # a null byte
        raise UnreadableError("no file can have this name: it contains a null character") from error
    file = os.fdopen(descriptor, "rb", buffering=0)
    try:
        refuse_special_files(os.fstat(descriptor).st_mode)  # it may have been replaced since the first look
    except UnreadableError:
        file.close()
        raise
    return file


def describe_folder(path: Path) -> str:
    """Return what a folder is that was given in the place of a file, and what to do."""
    if (path / ".metadata").is_file():
        return (
            "a distributed checkpoint: convert it to a file with"
            " torch.distributed.checkpoint.format_utils.dcp_to_torch_save(folder, file)"
        )
    for name in ("model.safetensors.index.json", "model.safetensors", "pytorch_model.bin"):
        if (path / name).is_file():
            return f"a directory: pass the file in it, {name}"
    return "a directory, not a checkpoint file: pass the file, or a pattern such as 'runs/*.pt'"


def refuse_special_files(mode: int) -> None:
    """Raise UnreadableError for anything but a regular file."""
    for is_kind, description in SPECIAL_FILES:
        if is_kind(mode):
            raise UnreadableError(description)


def is_onnx(head: bytes) -> bool:
    """Return whether a file begins like an ONNX model: the version of the format, then the producer's name."""
    return head[:1] == b"\x08" and head[2:3] == b"\x12" and head[1] < 32 and head[4 : 4 + head[3]].isascii()


def detect_format(source: FileSource | BytesSource) -> str:
    """Return the format by the first bytes: "zip", "pickle", "safetensors", "hdf5" or "json".

    Raises:
        UnreadableError: it is something else, and the message says what.
    """
    head = source.read(0, HEAD)
    if not head:
        raise UnreadableError("the file is empty")
    for begin, description in FOREIGN:
        if head.startswith(begin):
            raise UnreadableError(description)
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") > 0:
        return "safetensors"
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:
        return "pickle"
    if is_onnx(head):
        raise UnreadableError("an ONNX model: pass the PyTorch checkpoint that it was exported from")
    if not head.strip(b"\0"):
        raise UnreadableError(f"it begins with {len(head):,} zero bytes: an empty or unfinished download")
    if head.lstrip().startswith(b"{"):
        return "json"
    if head[257:262] == b"ustar":
        raise UnreadableError(
            "a tar archive: no checkpoint, or one of torch before 0.1.10, to be loaded there and saved again"
        )
    if head[:1] in b"(]}clidFISVNK" and b"\n" in head:  # pickles of protocol 0 and 1 have no signature
        return "pickle"
    raise UnreadableError("not a checkpoint: its first bytes are not those of zip, pickle, safetensors or HDF5")
