"""Updates, parameter by parameter."""

from __future__ import annotations

import math

from torch import Tensor

from spikecheck.readings import UpdateReading
from spikecheck.stats.parameters import LARGE
from tests.oracles.raster import Captures, mean, number


def oracle(captures: Captures) -> tuple[UpdateReading, ...]:
    count = len(captures[0].values) // 3
    return tuple(one(captures, n, n + count, n + 2 * count) for n in range(count))


def one(captures: Captures, step: int, before: int, gradient: int) -> UpdateReading:
    moved = [norm(c.values[step]) for c in captures]
    shares = [share(m, norm(c.values[before])) for m, c in zip(moved, captures, strict=True)]
    return UpdateReading(
        updates=len(captures),
        mean_relative_norm=mean(shares),
        max_relative_norm=max(shares),
        unmoved_updates=sum(m == 0 for m in moved),
        learning_rate=captures[-1].learning_rates[step],
        learning_rate_history=captures[-1].learning_rate_histories[step],
        mean_norm=mean([m if math.isfinite(m) else 0.0 for m in moved]),
        first_large=min((c.update for c, share in zip(captures, shares, strict=True) if share >= LARGE), default=None),
        first_spoiling=min((c.update for c in captures if spoils(c.values[step], c.values[before])), default=None),
        uphill_updates=sum(rise(c.values[step], c.values[gradient]) > 0 for c in captures),
    )


def rise(step: Tensor, gradient: Tensor) -> float:
    """Return the product of an update and the gradient, entry by entry; 0 where the gradient is missing."""
    pairs = zip(number(step).flatten().tolist(), number(gradient).flatten().tolist(), strict=False)
    return sum(a * b for a, b in pairs) if gradient.numel() else 0.0


def norm(value: Tensor) -> float:
    return math.sqrt(sum(v * v for v in number(value).flatten().tolist()))


def spoils(step: Tensor, before: Tensor) -> bool:
    """Return whether an update makes a finite parameter NaN or infinite."""
    return math.isfinite(norm(before)) and not math.isfinite(norm(step))


def share(step: float, before: float) -> float:
    """Return the update relative to the parameter; 1 if that was 0, 0 if it is not finite."""
    part = step / before if before > 0 else float(step > 0)
    return part if math.isfinite(part) and math.isfinite(step) else 0.0
