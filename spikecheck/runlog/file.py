"""A file of lines that only grows: each is written whole, and the file is replaced when it reaches a size."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from spikecheck.errors import SpikecheckError


def previous_part(path: Path) -> Path:
    """Return where the part before is kept: run.jsonl.1 beside run.jsonl."""
    return path.with_name(f"{path.name}.1")


class LineFile:
    """Appends lines to a file. Each is handed to the operating system at once, so that it outlives the process.

    When the next line would make the file larger than `max_bytes`, the file is renamed, in place of an earlier part,
    and a new one begins. `part` counts them, so that a writer knows when to introduce itself again.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path, self.max_bytes, self.part = path, max_bytes, 0
        try:
            self._file = FileIO(path, "ab")
            self.size = os.path.getsize(path)
            if self.size and last_byte(path) != b"\n":  # a process was killed while it wrote
                self.size += self._file.write(b"\n")
        except OSError as error:
            raise SpikecheckError(f"{path} cannot be written: {error.strerror}") from error

    def append(self, line: str) -> None:
        """Write one line, as a single piece."""
        content = line.encode() + b"\n"
        if self.size and self.size + len(content) > self.max_bytes:
            self._file.close()
            os.replace(self.path, previous_part(self.path))
            self._file, self.size, self.part = FileIO(self.path, "ab"), 0, self.part + 1
        self.size += self._file.write(content)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def last_byte(path: Path) -> bytes:
    """Return the last byte of a file that is not empty."""
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
