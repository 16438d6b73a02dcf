"""What each rank of a run of several processes observed, and how ranks are named in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from statistics import median
from typing import Any

from spikecheck.number_format import number

SHOWN = 8  # ranks that a sentence names one by one
SHOWN_ROWS, SHOWN_RATES = 16, 4  # of the table of ranks: rows, and layers


@dataclass(frozen=True, slots=True)
class RankRow:
    """One rank: its updates, the mean of its latest losses, and the firing rates of its layers by name."""

    rank: int
    updates: int
    loss: float | None = None
    rates: Mapping[str, float | None] = field(default_factory=dict)


def rank_dict(row: RankRow) -> dict[str, Any]:
    """Return a rank as JSON can hold it."""
    return {"rank": row.rank, "updates": row.updates, "loss": row.loss, "rates": dict(row.rates)}


def on_ranks(ranks: Sequence[int], size: int) -> str:
    """Return such as "on rank 1 of 4", "on ranks 1 and 3 of 4"."""
    if len(ranks) == 1:
        return f"on rank {ranks[0]} of {size}"
    shown = [str(rank) for rank in ranks[:SHOWN]]
    last = f"{len(ranks) - SHOWN + 1} more" if len(ranks) > SHOWN else shown.pop()
    return f"on ranks {', '.join(shown[: SHOWN - 1])} and {last} of {size}"


def rank_cells(rows: Sequence[RankRow]) -> list[list[str]]:
    """Return the table of ranks with its head: of many ranks, those whose losses and rates differ most."""
    layers = list(dict.fromkeys(name for row in rows for name in row.rates))[:SHOWN_RATES]
    numbers = [(row.loss, *(row.rates.get(layer) for layer in layers)) for row in rows]
    farthest = sorted(zip(distances(numbers), rows, numbers, strict=True), key=lambda one: (-one[0], one[1].rank))
    shown = sorted(farthest[:SHOWN_ROWS], key=lambda one: one[1].rank)
    head = ["rank", "updates", "loss", *(f"rate of {layer}" for layer in layers)]
    cells = [
        [str(row.rank), f"{row.updates:,}", *("-" if value is None else number(value) for value in values)]
        for _, row, values in shown
    ]
    more = [[f"{len(rows) - SHOWN_ROWS:,} more, closer to the median", *[""] * (len(head) - 1)]]
    return [head, *cells, *(more if len(rows) > SHOWN_ROWS else [])]


def distances(numbers: Sequence[Sequence[float | None]]) -> list[float]:
    """Return how far each row is from the medians of the columns, relative to these: in its farthest number."""
    farthest = [0.0] * len(numbers)
    for column in zip(*numbers, strict=True):
        middle = median([value for value in column if value is not None and isfinite(value)] or [0.0])
        for row, value in enumerate(column):
            if value is not None:
                distance = abs(value - middle) / (abs(middle) or 1.0) if isfinite(value) else inf
                farthest[row] = max(farthest[row], distance)
    return farthest
