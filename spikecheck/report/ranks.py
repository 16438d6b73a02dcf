"""What each rank of a run of several processes observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
