"""Statistics of a tensor in a file, one chunk at a time.

States are added like those of a live model. The values are on the host already, so nothing here waits for a device. A
chunk fits into the CPU cache, so the time is dominated by reading the file.
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from spikecheck.stats.base import State, keep_first, merged_by
from spikecheck.stats.parameters import fan_in
from spikecheck.stored import ChangeReading, StoredReading

MAX_ROWS = 1 << 20
MAX_VECTOR = 1 << 18
MIN_NORM = math.sqrt(torch.finfo(torch.float32).tiny)  # below it the squares underflow float32


@dataclass(frozen=True)
class StoredState(State):
    """Statistics of a tensor so far; sums and extremes are those of its finite elements."""

    elements: int = merged_by(operator.add)
    nan: int = merged_by(operator.add)
    infinite: int = merged_by(operator.add)
    total: float = merged_by(operator.add)
    norm: float = merged_by(math.hypot)
    minimum: float = merged_by(min)
    maximum: float = merged_by(max)
    bad: tuple[int, ...] = merged_by(lambda a, b: a or b)  # index of the first non-finite element
    start: int = merged_by(keep_first)


NOTHING = StoredState(0, 0, 0, 0.0, 0.0, math.inf, -math.inf, (), 0)


class Scratch(threading.local):
    """Memory reused between chunks, per thread: allocating it for each chunk takes longer than using it."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[str, torch.dtype], Tensor] = {}

    def get(self, use: str, dtype: torch.dtype, shape: torch.Size) -> Tensor:
        """Return an uninitialized tensor, valid until the next call with the same use in this thread."""
        if (use, dtype) not in self.buffers:
            self.buffers[use, dtype] = torch.empty(0, dtype=dtype)
        return self.buffers[use, dtype].resize_(shape)

    def clear(self) -> None:
        """Release the memory."""
        self.buffers.clear()


SCRATCH = Scratch()


def as_floats(flat: Tensor) -> Tensor:
    """Return elements as float32 or float64, complex ones as two parts; valid until the next call in this thread."""
    if flat.is_complex():
        flat = torch.view_as_real(flat.to(torch.complex64) if flat.dtype is torch.complex32 else flat).flatten()
    if flat.dtype in (torch.float32, torch.float64):
        return flat
    dtype = torch.float32 if flat.is_floating_point() and flat.element_size() <= 2 else torch.float64
    return SCRATCH.get("floats", dtype, flat.shape).copy_(flat)


def analyze(x: Tensor, start: int, width: int = 0) -> tuple[StoredState, list[RowChunk]]:
    """Return the statistics of a float chunk that starts at an index, and of its rows if `width` is not 0.

    Non-finite elements count as 0 in the rows.
    """
    if x.numel() == 0:
        return NOTHING, []
    nan = infinite = 0
    bad: tuple[int, ...] = ()
    good, norm = x, float(torch.linalg.vector_norm(x))
    if not math.isfinite(norm) and bool((wrong := ~torch.isfinite(x)).any()):
        nan = int(torch.isnan(x).sum())
        infinite = int(wrong.sum()) - nan
        bad = (start + int(wrong.int().argmax()),)
        good, x = x[~wrong], torch.where(wrong, x.new_zeros(()), x)
    rows = [RowChunk.of(row, part) for row, part in split_rows(x, start, width)] if width else []
    if bad or not rows:
        low, high = extremes(good)
    else:
        low, high = min(row.low for row in rows), max(row.high for row in rows)
    if not MIN_NORM <= norm < math.inf:
        norm = scaled_norm(x)
    total = float(x.sum())
    if not math.isfinite(total):
        total = float(x.sum(dtype=torch.float64))
    return StoredState(x.numel(), nan, infinite, total, norm, low, high, bad, start), rows


def extremes(x: Tensor) -> tuple[float, float]:
    """Return minimum and maximum; (inf, -inf) for an empty tensor."""
    low, high = torch.aminmax(x) if x.numel() else (math.inf, -math.inf)
    return float(low), float(high)


def scaled_norm(x: Tensor) -> float:
    """Return the norm when the squares overflow or underflow the dtype."""
    largest = float(x.abs().max())
    return float(torch.linalg.vector_norm(x.double() / largest)) * largest if largest else 0.0


def split_rows(x: Tensor, start: int, width: int) -> Iterator[tuple[int, Tensor]]:
    """Yield (first row, [row, column]) of the end of a row, of whole rows, and of the start of a row."""
    row, column = divmod(start, width)
    head = min((width - column) % width, x.numel())
    whole = (x.numel() - head) // width
    middle = head + whole * width
    if head:
        yield row, x[:head].view(1, -1)
        row += column + head == width
    if whole:
        yield row, x[head:middle].view(whole, -1)
    if middle < x.numel():
        yield row + whole, x[middle:].view(1, -1)


@dataclass(frozen=True)
class RowChunk:
    """Statistics of some rows of a chunk, or of a part of one row."""

    row: int
    largest: Tensor
    positive: Tensor
    low: float
    high: float

    @classmethod
    def of(cls, row: int, x: Tensor) -> RowChunk:
        """Build from [row, column]; `row` is the index of the first row in the weight."""
        low, high = x.amin(dim=1), x.amax(dim=1)
        largest = torch.maximum(high, -low).double()
        return cls(
            row,
            largest,
            torch.clamp_min(x, 0, out=SCRATCH.get("above 0", x.dtype, x.shape)).sum(dim=1).double(),
            float(low.min()),
            float(high.max()),
        )


@dataclass
class Rows:
    """For each row (output) of a weight: the largest absolute value, and the sum of positive values."""

    count: int
    width: int
    largest: Tensor = field(default_factory=partial(torch.zeros, 0, dtype=torch.float64))
    positive: Tensor = field(default_factory=partial(torch.zeros, 0, dtype=torch.float64))

    def accumulate(self, chunk: RowChunk) -> None:
        """Add the rows of a chunk, or a part of one row; the memory is taken when there are values."""
        if not len(self.largest):
            self.largest, self.positive = torch.zeros(2, self.count, dtype=torch.float64).unbind()
        rows = slice(chunk.row, chunk.row + len(chunk.largest))
        self.largest[rows] = torch.maximum(self.largest[rows], chunk.largest)
        self.positive[rows] += chunk.positive

    @property
    def zero_rows(self) -> int:
        """Return the number of rows that are all 0."""
        return int((self.largest == 0).sum()) if len(self.largest) else self.count


class StoredStats:
    """Statistics of one stored tensor: mean, RMS, extremes, non-finite elements, zero rows.

    Unit: that of the tensor.
    Input: chunks of the tensor in row-major order.
    Memory: nine numbers and two floats per row (at most MAX_ROWS); vectors of at most MAX_VECTOR elements are kept.
    Cost: three passes over each chunk, four with rows.
    Not visible: the distribution between the extremes.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str, *, rows: bool) -> None:
        self.shape, self.dtype = shape, dtype
        self.parts = 2 if dtype.startswith("complex") else 1
        self.state = NOTHING
        width = fan_in(shape) * self.parts
        has_rows = rows and len(shape) > 1 and 0 not in shape and shape[0] <= MAX_ROWS
        self.rows = Rows(shape[0], width) if has_rows else None
        self.vector: Tensor | None = None  # the values of a small vector
        self.keeps_vector = True

    def in_memory(self) -> int:
        """Return how many rows, or elements of a vector, are kept at most."""
        return self.rows.count if self.rows is not None else min(math.prod(self.shape) * self.parts, MAX_VECTOR)

    def keep_nothing(self) -> None:
        """Keep neither rows nor a vector."""
        self.rows, self.keeps_vector = None, False

    def add(self, flat: Tensor) -> None:
        """Add the next chunk, in order."""
        x, start = as_floats(flat), self.state.elements
        state, rows = analyze(x, start, self.rows.width if self.rows is not None else 0)
        self.state = self.state + state
        small = self.keeps_vector and self.rows is None and start == 0 and 0 < x.numel() <= MAX_VECTOR
        self.vector = x.to(torch.float64, copy=True) if small else None
        if self.rows is not None:
            for chunk in rows:
                self.rows.accumulate(chunk)

    def summarize(self, role: str) -> StoredReading:
        """Return the plain numbers."""
        state, finite = self.state, self.state.elements - self.state.nan - self.state.infinite
        elements = state.elements // self.parts
        return StoredReading(
            role=role,
            shape=self.shape,
            dtype=self.dtype,
            elements=elements,
            dimensions=len(self.shape),
            fan_in=fan_in(self.shape),
            mean=state.total / finite if finite else 0.0,
            rms=state.norm / math.sqrt(finite) if finite else 0.0,
            minimum=state.minimum if finite else None,
            maximum=state.maximum if finite else None,
            nan=state.nan,
            infinite=state.infinite,
            first_non_finite=unravel_index(state.bad[0] // self.parts, self.shape) if state.bad else None,
            rows=None if self.rows is None else self.rows.count,
            zero_rows=None if self.rows is None else self.rows.zero_rows,
            measured=state.elements > 0 or 0 in self.shape,
        )


def unravel_index(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of an element along each axis."""
    indices = []
    for size in reversed(shape):
        index, at = divmod(index, max(1, size))
        indices.append(at)
    return tuple(reversed(indices))


@dataclass
class Difference:
    """Change of a tensor from one file to another, chunk by chunk."""

    elements: int = 0
    changed: int = 0
    lost: int = 0
    largest: float = 0.0
    squares: Tensor = field(default_factory=lambda: torch.zeros(3, dtype=torch.float64))

    def add(self, before: Tensor, after: Tensor) -> None:
        """Add two chunks of the same position."""
        a, b = before.double(), after.double()
        both = torch.isfinite(a) & torch.isfinite(b)
        self.lost += int((torch.isfinite(a) & ~torch.isfinite(b)).sum())
        a, b = (torch.where(both, x, x.new_zeros(())) for x in (a, b))
        change = b - a
        self.elements += len(a)
        self.changed += int((change != 0).sum())
        self.largest = max(self.largest, float(change.abs().max())) if len(change) else self.largest
        self.squares += torch.stack([(x * x).sum() for x in (change, a, b)])

    def summarize(self, name: str, shape: tuple[int, ...]) -> ChangeReading:
        """Return the plain numbers."""
        change, before, after = (math.sqrt(square) for square in self.squares.tolist())
        count = math.sqrt(max(1, self.elements))
        return ChangeReading(
            name,
            "changed" if self.changed or self.lost else "same",
            shape,
            relative_change=change / before if before else None,
            max_change=self.largest,
            changed_elements=self.changed,
            rms_before=before / count,
            rms_after=after / count,
            lost_elements=self.lost,
        )
