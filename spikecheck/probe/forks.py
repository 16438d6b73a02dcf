"""Updates that a forked process makes of a copy of the model: this process hears nothing of them but their number."""

from __future__ import annotations

import mmap
import os
import struct

COUNT = struct.Struct("q")


class ForkedUpdates:
    """Counts in memory that forked processes share. Two that count at once may count once: it is no exact number."""

    def __init__(self) -> None:
        self._process, self._memory = os.getpid(), mmap.mmap(-1, COUNT.size)

    def count(self) -> None:
        """Count an update, if this is a forked process."""
        if os.getpid() != self._process:
            COUNT.pack_into(self._memory, 0, self.number + 1)

    @property
    def number(self) -> int:
        """The updates in forked processes so far."""
        number: int = COUNT.unpack_from(self._memory, 0)[0]
        return number

    def unseen(self) -> dict[str, str]:
        """Return that there were updates in other processes; empty if there were none."""
        text = "updates were made by processes forked after attach(), and are not part of this report: "
        text += "call attach() in the process that trains"
        return {"other processes": f"{self.number:,} {text}"} if self.number and os.getpid() == self._process else {}
