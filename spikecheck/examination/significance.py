"""Tests of whether a difference is more than chance: exact, one-sided."""

from __future__ import annotations

import math
from collections.abc import Sequence


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Return the probability of so many successes or more, where each has this probability."""
    if successes <= 0 or probability >= 1:
        return 1.0
    if probability <= 0:
        return 0.0
    logs = (
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(probability)
        + (trials - k) * math.log1p(-probability)
        for k in range(successes, trials + 1)
    )
    return min(1.0, sum(math.exp(value) for value in logs))


def chance(correct: Sequence[bool], majority: float) -> float:
    """Return how probable so many right predictions are for one that always names the most frequent class."""
    return binomial_tail(sum(correct), len(correct), majority)


def sign_test(before: Sequence[bool], after: Sequence[bool]) -> float:
    """Return the probability that `after` is right this much more often than `before` by chance, sample by sample."""
    gains = sum(b and not a for a, b in zip(before, after, strict=True))
    losses = sum(a and not b for a, b in zip(before, after, strict=True))
    return binomial_tail(gains, gains + losses, 0.5)
