"""The values of a tensor in a file, counted a chunk at a time.

A state is added to the next as those of a live model are; a file's values are on the host already, so nothing here
waits for a device. A chunk fits the processor's cache, so that reading the file is what takes the time.
"""

from __future__ import annotations

import math
import operator
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


def measure(x: Tensor, start: int = 0) -> tuple[StoredState, Tensor]:
    """Count a chunk of float32 or float64 that begins at an index; and the chunk with 0 for what is not finite."""
    if x.numel() == 0:
        return NOTHING, x
    low, high = (float(end) for end in torch.aminmax(x))
    nan = infinite = 0
    bad: tuple[int, ...] = ()
    if not (math.isfinite(low) and math.isfinite(high)):
        wrong = ~torch.isfinite(x)
        nan = int(torch.isnan(x).sum())
        infinite = int(wrong.sum()) - nan
        bad = (start + int(wrong.int().argmax()),)
        x = torch.where(wrong, x.new_zeros(()), x)
        good = x[~wrong]
        if not good.numel():
            return StoredState(x.numel(), nan, infinite, 0.0, 0.0, math.inf, -math.inf, bad, start), x
        low, high = (float(end) for end in torch.aminmax(good))
    norm, largest = float(torch.linalg.vector_norm(x)), max(abs(low), abs(high))
    if not math.isfinite(norm) or (norm < LEAST_NORM and largest > 0):
        norm = float(torch.linalg.vector_norm(x.double() / largest)) * largest
    total = float(x.sum())
    if not math.isfinite(total):
        total = float(x.sum(dtype=torch.float64))
    return StoredState(x.numel(), nan, infinite, total, norm, low, high, bad, start), x


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

    def add(self, x: Tensor, start: int) -> None:
        """Count a finite chunk that begins at an index: the rest of a row, whole rows, the beginning of one."""
        row, column = divmod(start, self.width)
        head = min((self.width - column) % self.width, x.numel())
        whole = (x.numel() - head) // self.width
        if head:
            self.put(row, x[:head].view(1, -1))
            row += column + head == self.width
        if whole:
            self.put(row, x[head : head + whole * self.width].view(whole, -1))
        if head + whole * self.width < x.numel():
            self.put(row + whole, x[head + whole * self.width :].view(1, -1))

    def put(self, row: int, x: Tensor) -> None:
        """Add [row, column] to the rows from one on."""
        rows = slice(row, row + len(x))
        largest = torch.maximum(x.amax(dim=1), -x.amin(dim=1))
        self.largest[rows] = torch.maximum(self.largest[rows], largest.double())
        self.positive[rows] += x.clamp_min(0).sum(dim=1, dtype=x.dtype)

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
        start = self.state.elements
        state, x = measure(as_floats(flat), start)
        self.state = self.state + state
        if self.rows is not None:
            self.rows.add(x, start)
        elif start == 0 and 0 < x.numel() <= MOST_KEPT:
            self.kept = x.to(torch.float64, copy=True)
        else:
            self.kept = None

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
