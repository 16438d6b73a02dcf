"""The values of a tensor in a file, counted a chunk at a time.

A state is added to the next as those of a live model are; a file's values are on the host already, so nothing here
waits for a device. A chunk fits the processor's cache, so that reading the file is what takes the time.
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from spikecheck.stats.base import State, keep_first, merged_by
from spikecheck.stats.parameters import fan_in
from spikecheck.stored import ChangeReading, StoredReading

MAX_ROWS = 1 << 20
MAX_VECTOR = 1 << 18
MIN_NORM = math.sqrt(torch.finfo(torch.float32).tiny)  # below it float32 has no digits left for the squares


@dataclass(frozen=True)
class StoredState(State):
    """What was counted of a tensor so far; sums and extremes are of its finite elements."""

    elements: int = merged_by(operator.add)
    nan: int = merged_by(operator.add)
    infinite: int = merged_by(operator.add)
    total: float = merged_by(operator.add)
    norm: float = merged_by(math.hypot)
    minimum: float = merged_by(min)
    maximum: float = merged_by(max)
    bad: tuple[int, ...] = merged_by(lambda a, b: a or b)  # index of the first that is not finite
    start: int = merged_by(keep_first)


NOTHING = StoredState(0, 0, 0, 0.0, 0.0, math.inf, -math.inf, (), 0)


class Scratch(threading.local):
    """Memory that a thread keeps: to ask the system for it anew in each chunk takes longer than what is done in it."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, torch.dtype], Tensor] = {}

    def get(self, use: str, dtype: torch.dtype, shape: torch.Size) -> Tensor:
        """A tensor of any values; valid until the thread asks again for the same use."""
        if (use, dtype) not in self.kept:
            self.kept[use, dtype] = torch.empty(0, dtype=dtype)
        return self.kept[use, dtype].resize_(shape)

    def clear(self) -> None:
        """Give it back."""
        self.kept.clear()


SCRATCH = Scratch()


def as_floats(flat: Tensor) -> Tensor:
    """Elements of any type as float32 or float64, a complex one as its two parts; valid until the thread asks again."""
    if flat.is_complex():
        flat = torch.view_as_real(flat.to(torch.complex64) if flat.dtype is torch.complex32 else flat).flatten()
    if flat.dtype in (torch.float32, torch.float64):
        return flat
    dtype = torch.float32 if flat.is_floating_point() and flat.element_size() <= 2 else torch.float64
    return SCRATCH.get("floats", dtype, flat.shape).copy_(flat)


def analyze(x: Tensor, start: int, width: int = 0) -> tuple[StoredState, list[RowChunk]]:
    """Return the state of a chunk of float32 or float64 that begins at an index, and of its rows of a width, if any.

    What is not finite is a 0 to the rows.
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
    rows = [RowChunk.of(row, piece) for row, piece in split_rows(x, start, width)] if width else []
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
    """The least and the greatest; infinities that any value replaces where there is none."""
    low, high = torch.aminmax(x) if x.numel() else (math.inf, -math.inf)
    return float(low), float(high)


def scaled_norm(x: Tensor) -> float:
    """The norm where the squares leave the range of the type."""
    largest = float(x.abs().max())
    return float(torch.linalg.vector_norm(x.double() / largest)) * largest if largest else 0.0


def split_rows(x: Tensor, start: int, width: int) -> Iterator[tuple[int, Tensor]]:
    """The rest of a row, whole rows, the beginning of one: the first row, and [row, column]."""
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
    """Some rows of a chunk, or a part of one: for each what `Rows` holds; the extremes of all."""

    row: int
    largest: Tensor
    positive: Tensor
    low: float
    high: float

    @classmethod
    def of(cls, row: int, x: Tensor) -> RowChunk:
        """From [row, column], the first of which is a row of the weight."""
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
    """For each output of a weight: its largest absolute weight, and the sum of what is above 0."""

    count: int
    width: int
    largest: Tensor = field(init=False)
    positive: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.largest = torch.zeros(self.count, dtype=torch.float64)
        self.positive = torch.zeros(self.count, dtype=torch.float64)

    def accumulate(self, chunk: RowChunk) -> None:
        """Add some of the rows, or a part of one."""
        rows = slice(chunk.row, chunk.row + len(chunk.largest))
        self.largest[rows] = torch.maximum(self.largest[rows], chunk.largest)
        self.positive[rows] += chunk.positive

    @property
    def silent(self) -> int:
        """Rows that are 0 in every place."""
        return int((self.largest == 0).sum())


class StoredStats:
    """One tensor, chunk after chunk.

    Unit: that of the tensor. Layout: elements in the order of the shape. Hides: what is between the extremes and the
    mean square.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str, *, rows: bool) -> None:
        self.shape, self.dtype = shape, dtype
        self.parts = 2 if dtype.startswith("complex") else 1
        self.state = NOTHING
        wide = fan_in(shape) * self.parts
        many = rows and len(shape) > 1 and 0 not in shape and shape[0] <= MAX_ROWS
        self.rows = Rows(shape[0], wide) if many else None
        self.kept: Tensor | None = None  # the values themselves, of a tensor that is one piece of a vector

    def add(self, flat: Tensor) -> None:
        """Add the next chunk; chunks come in order."""
        x, start = as_floats(flat), self.state.elements
        state, rows = analyze(x, start, self.rows.width if self.rows is not None else 0)
        self.state = self.state + state
        small = self.rows is None and start == 0 and 0 < x.numel() <= MAX_VECTOR
        self.kept = x.to(torch.float64, copy=True) if small else None
        if self.rows is not None:
            for chunk in rows:
                self.rows.accumulate(chunk)

    def summarize(self, role: str) -> StoredReading:
        """The plain numbers."""
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
            zero_rows=None if self.rows is None else self.rows.silent,
            measured=state.elements > 0 or 0 in self.shape,
        )


def unravel_index(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The place of an element by its axes."""
    place = []
    for size in reversed(shape):
        index, at = divmod(index, max(1, size))
        place.append(at)
    return tuple(reversed(place))


@dataclass
class Difference:
    """How far a tensor moved from one file to another, chunk after chunk."""

    elements: int = 0
    moved: int = 0
    lost: int = 0
    largest: float = 0.0
    squares: Tensor = field(default_factory=lambda: torch.zeros(3, dtype=torch.float64))

    def add(self, before: Tensor, after: Tensor) -> None:
        """Count two chunks of the same place."""
        a, b = before.double(), after.double()
        both = torch.isfinite(a) & torch.isfinite(b)
        self.lost += int((torch.isfinite(a) & ~torch.isfinite(b)).sum())
        a, b = (torch.where(both, x, x.new_zeros(())) for x in (a, b))
        step = b - a
        self.elements += len(a)
        self.moved += int((step != 0).sum())
        self.largest = max(self.largest, float(step.abs().max())) if len(step) else self.largest
        self.squares += torch.stack([(x * x).sum() for x in (step, a, b)])

    def summarize(self, name: str, shape: tuple[int, ...]) -> ChangeReading:
        """The plain numbers."""
        step, before, after = (math.sqrt(square) for square in self.squares.tolist())
        count = math.sqrt(max(1, self.elements))
        return ChangeReading(
            name,
            "changed" if self.moved or self.lost else "same",
            shape,
            relative_change=step / before if before else None,
            max_change=self.largest,
            changed_elements=self.moved,
            rms_before=before / count,
            rms_after=after / count,
            lost_elements=self.lost,
        )
