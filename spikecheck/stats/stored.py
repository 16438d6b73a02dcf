"""The values of a tensor in a file, counted a chunk at a time.

A state is added to the next as those of a live model are; a file's values are on the host already, so nothing here
waits for a device. A chunk fits the processor's cache, so that reading the file is what takes the time.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from spikecheck.stats.base import State, earliest, merged
from spikecheck.stats.parameters import fan_in
from spikecheck.stored import ChangeReading, StoredReading

MOST_ROWS = 1 << 20
MOST_KEPT = 1 << 18
LEAST_NORM = math.sqrt(torch.finfo(torch.float32).tiny)  # below it float32 has no digits left for the squares


@dataclass(frozen=True)
class StoredState(State):
    """What was counted of a tensor so far; sums and extremes are of its finite elements."""

    elements: int = merged(operator.add)
    nan: int = merged(operator.add)
    infinite: int = merged(operator.add)
    total: float = merged(operator.add)
    norm: float = merged(math.hypot)
    minimum: float = merged(min)
    maximum: float = merged(max)
    bad: tuple[int, ...] = merged(lambda a, b: a or b)  # index of the first that is not finite
    start: int = merged(earliest)


NOTHING = StoredState(0, 0, 0, 0.0, 0.0, math.inf, -math.inf, (), 0)


def as_floats(flat: Tensor) -> Tensor:
    """Elements of any type as float32 or float64; a complex one as its two parts."""
    if flat.is_complex():
        flat = torch.view_as_real(flat.to(torch.complex64) if flat.dtype is torch.complex32 else flat).flatten()
    if flat.dtype in (torch.float32, torch.float64):
        return flat
    return flat.float() if flat.is_floating_point() and flat.element_size() <= 2 else flat.double()


def measure(x: Tensor, start: int, rows: Rows | None = None) -> StoredState:
    """Count a chunk of float32 or float64 that begins at an index, and its rows; what is not finite is a 0 to them."""
    if x.numel() == 0:
        return NOTHING
    nan = infinite = 0
    bad: tuple[int, ...] = ()
    good, norm = x, float(torch.linalg.vector_norm(x))
    if not math.isfinite(norm) and bool((wrong := ~torch.isfinite(x)).any()):
        nan = int(torch.isnan(x).sum())
        infinite = int(wrong.sum()) - nan
        bad = (start + int(wrong.int().argmax()),)
        good, x = x[~wrong], torch.where(wrong, x.new_zeros(()), x)
    low, high = ends(x) if rows is None else rows.add(x, start)
    if bad:
        low, high = ends(good)
    if not LEAST_NORM <= norm < math.inf:
        norm = scaled_norm(x)
    total = float(x.sum())
    if not math.isfinite(total):
        total = float(x.sum(dtype=torch.float64))
    return StoredState(x.numel(), nan, infinite, total, norm, low, high, bad, start)


def ends(x: Tensor) -> tuple[float, float]:
    """The least and the greatest; infinities that any value replaces where there is none."""
    low, high = torch.aminmax(x) if x.numel() else (math.inf, -math.inf)
    return float(low), float(high)


def scaled_norm(x: Tensor) -> float:
    """The norm where the squares leave the range of the type."""
    largest = float(x.abs().max())
    return float(torch.linalg.vector_norm(x.double() / largest)) * largest if largest else 0.0


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

    def add(self, x: Tensor, start: int) -> tuple[float, float]:
        """Count a finite chunk that begins at an index; its least and greatest."""
        found = [self.put(row, piece) for row, piece in self.cut(x, start)]
        return min(low for low, _ in found), max(high for _, high in found)

    def cut(self, x: Tensor, start: int) -> Iterator[tuple[int, Tensor]]:
        """The rest of a row, whole rows, the beginning of one: the first row, and [row, column]."""
        row, column = divmod(start, self.width)
        head = min((self.width - column) % self.width, x.numel())
        whole = (x.numel() - head) // self.width
        middle = head + whole * self.width
        if head:
            yield row, x[:head].view(1, -1)
            row += column + head == self.width
        if whole:
            yield row, x[head:middle].view(whole, -1)
        if middle < x.numel():
            yield row + whole, x[middle:].view(1, -1)

    def put(self, row: int, x: Tensor) -> tuple[float, float]:
        """Add [row, column] to the rows from one on; the least and the greatest."""
        rows, low, high = slice(row, row + len(x)), x.amin(dim=1), x.amax(dim=1)
        self.largest[rows] = torch.maximum(self.largest[rows], torch.maximum(high, -low))
        self.positive[rows] += x.clamp_min(0).sum(dim=1)
        return float(low.min()), float(high.max())

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
        many = rows and len(shape) > 1 and 0 not in shape and shape[0] <= MOST_ROWS
        self.rows = Rows(shape[0], wide) if many else None
        self.kept: Tensor | None = None  # the values themselves, of a tensor that is one piece of a vector

    def add(self, flat: Tensor) -> None:
        """Count the next chunk."""
        x, start = as_floats(flat), self.state.elements
        self.state = self.state + measure(x, start, self.rows)
        small = self.rows is None and start == 0 and 0 < x.numel() <= MOST_KEPT
        self.kept = x.to(torch.float64, copy=True) if small else None

    def summarise(self, role: str) -> StoredReading:
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
            place=unravelled(state.bad[0] // self.parts, self.shape) if state.bad else None,
            rows=None if self.rows is None else self.rows.count,
            zero_rows=None if self.rows is None else self.rows.silent,
            measured=state.elements > 0 or 0 in self.shape,
        )


def unravelled(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
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

    def summarise(self, name: str, shape: tuple[int, ...]) -> ChangeReading:
        """The plain numbers."""
        step, before, after = (math.sqrt(square) for square in self.squares.tolist())
        count = math.sqrt(max(1, self.elements))
        return ChangeReading(
            name,
            "changed" if self.moved or self.lost else "same",
            shape,
            relative=step / before if before else None,
            largest=self.largest,
            moved=self.moved,
            before=before / count,
            after=after / count,
            lost=self.lost,
        )
