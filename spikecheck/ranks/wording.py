"""Name ranks in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 8  # ranks that a sentence names one by one


def on_ranks(ranks: Sequence[int], size: int) -> str:
    """Return such as "on rank 1 of 4", "on ranks 1 and 3 of 4"."""
    if len(ranks) == 1:
        return f"on rank {ranks[0]} of {size}"
    shown = [str(rank) for rank in ranks[:SHOWN]]
    last = f"{len(ranks) - SHOWN + 1} more" if len(ranks) > SHOWN else shown.pop()
    return f"on ranks {', '.join(shown[: SHOWN - 1])} and {last} of {size}"
