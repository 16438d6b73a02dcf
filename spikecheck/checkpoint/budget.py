"""What reading one file may cost: one budget, spent by everything that reads it, so that a small file stays cheap."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from spikecheck.errors import UnreadableError

CHECK_EVERY = 4096  # nodes between two looks at the clock


@dataclass
class Budget:
    """How much work a file may still cause; each method spends some, and raises UnreadableError when it is used up.

    The limits are judgment calls, ten times or more above the largest checkpoint that we know of: a network with its
    optimizer describes a tensor in some 40 operations, and has a few thousand tensors.
    """

    operations: int = 3_000_000  # of pickles, nested ones included
    nodes: int = 3_000_000  # objects that are visited, and elements of containers that are copied
    bytes: int = 1 << 30  # of descriptions and of texts that are held in memory
    unpacked: int = 1 << 26  # bytes that compressed records may unpack to; `allow_unpacking` adds to it
    seconds: float = 8.0  # of the processor, beside the reading of the tensors' values
    started: float = field(default_factory=time.thread_time)

    def spend_nodes(self, count: int = 1) -> None:
        """Spend visits of objects."""
        before = self.nodes // CHECK_EVERY
        self.nodes -= count
        if self.nodes < 0:
            raise UnreadableError("it describes too many objects to be a checkpoint")
        if self.nodes // CHECK_EVERY != before:
            self.check_time()

    def spend_bytes(self, count: int) -> None:
        """Spend bytes of memory."""
        self.bytes -= count
        if self.bytes < 0:
            raise UnreadableError("the description of its tensors is too large")

    def allow_unpacking(self, count: int) -> None:
        """Allow more bytes to be unpacked, in proportion to the file."""
        self.unpacked += count

    def spend_unpacked(self, count: int) -> None:
        """Spend bytes that a compressed record unpacks to."""
        self.unpacked -= count
        if self.unpacked < 0:
            raise UnreadableError("a zip bomb: its records unpack to far more bytes than the file has")

    def check_time(self) -> None:
        """Raise UnreadableError if the time is used up."""
        if time.thread_time() - self.started > self.seconds:
            raise UnreadableError(f"its description takes longer than {self.seconds:g} s to read: no checkpoint does")
