"""Which value to try next: a coarse look at the range, then both edges of what works, halved again and again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from spikecheck.tuning.plan import Plan
from spikecheck.tuning.trial import TriedValue

COARSE = 5  # values spread over the whole range before the edges are searched; judgment call
INSIDE = 4  # values that work, among which the best is chosen; judgment call
EDGE = 0.02  # an edge is known if it lies in so small a part of the range; judgment call: 15% over three powers of ten


def next_value(plan: Plan, tried: Sequence[TriedValue], pending: Sequence[float] = ()) -> float | None:
    """Return the value that says most, None where the search is over.

    Args:
        plan: the range.
        tried: the values whose outcome is known.
        pending: values that other processes are trying: their outcome is not known, and they are not tried again.
    """
    known = {one.value: one for one in tried}
    values = sorted({*known, *pending})
    for end in (plan.low, plan.high):
        if end not in values:
            return end
    if len(values) < COARSE:
        return widest(plan, list(pairwise(values)))
    settled = [(a, b) for a, b in pairwise(values) if a in known and b in known]
    edges = [pair for pair in settled if known[pair[0]].works is not known[pair[1]].works]
    if not any(one.works for one in tried):  # what works may lie between two ways to fail
        edges = [pair for pair in settled if known[pair[0]].outcome is not known[pair[1]].outcome]
    at_an_edge = widest(plan, edges)
    if at_an_edge is not None:
        return at_an_edge
    inside = [(a, b) for a, b in settled if known[a].works and known[b].works]
    if inside and sum(one.works for one in tried) < INSIDE:
        return widest(plan, inside)
    return None


def widest(plan: Plan, pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the middle of the widest of these gaps; None where all are too narrow to be halved."""
    gaps = [(plan.position(b) - plan.position(a), a, b) for a, b in pairs]
    gaps = [gap for gap in gaps if gap[0] > EDGE and gap[1] < plan.between(*gap[1:]) < gap[2]]
    if not gaps:
        return None
    _, a, b = max(gaps)
    return plan.between(a, b)


def interval(plan: Plan, tried: Sequence[TriedValue], best: TriedValue) -> tuple[TriedValue, ...]:
    """Return the values around the best one that work, without one between them that does not."""
    ordered = sorted(tried, key=lambda one: plan.position(one.value))
    at = ordered.index(best)
    first = next((i + 1 for i in range(at, -1, -1) if not ordered[i].works), 0)
    last = next((i for i in range(at, len(ordered)) if not ordered[i].works), len(ordered))
    return tuple(ordered[first:last])
