"""Which value is tried next, on tables of results."""

from __future__ import annotations

import pytest

from spikecheck.tuning.bisection import EDGE, interval, next_value
from spikecheck.tuning.plan import Plan
from spikecheck.tuning.trial import Problem, ProblemKind, TriedValue

PLAN = Plan("threshold", 0.1, 100.0, updates=1)


def tried(value: float, kind: ProblemKind | None = None) -> TriedValue:
    problems = () if kind is None else (Problem(kind),)
    return TriedValue(value, 1.0, 1.0, 0.0, 5.0, 3.0, 1.0, 1, problems)


def outcome(value: float, low: float, high: float) -> TriedValue:
    below, above = ProblemKind.SEVERAL_SPIKES, ProblemKind.SILENT
    return tried(value, below if value < low else above if value > high else None)


def search(low: float, high: float, plan: Plan = PLAN) -> list[TriedValue]:
    """Try what is proposed until the search is over."""
    results: list[TriedValue] = []
    while (value := next_value(plan, results)) is not None:
        results.append(outcome(value, low, high))
        assert len(results) < 60
    return results


@pytest.mark.parametrize(("low", "high"), [(0.3, 30.0), (2.0, 2.6), (0.01, 1.0), (20.0, 1000.0)])
def test_both_edges_are_located(low: float, high: float) -> None:
    results = search(low, high)
    works = sorted(one.value for one in results if one.works)
    fails = [one.value for one in results if not one.works]
    for edge, inner, outer in (
        (low, works[0], max((value for value in fails if value < low), default=None)),
        (high, works[-1], min((value for value in fails if value > high), default=None)),
    ):
        if 0.1 < edge < 100:
            assert outer is not None
            assert abs(PLAN.position(inner) - PLAN.position(outer)) <= EDGE


def test_without_a_value_that_works_the_place_where_the_problem_changes_is_located() -> None:
    results = search(33.333, 33.333)
    last = max(one.value for one in results if one.value < 33.333)
    first = min(one.value for one in results if one.value > 33.333)
    assert PLAN.position(first) - PLAN.position(last) <= EDGE
    assert len(results) < 15


def test_the_ends_come_first_and_one_value_is_never_tried_twice() -> None:
    values = [one.value for one in search(2.0, 20.0)]
    assert values[:2] == [0.1, 100.0]
    assert len(set(values)) == len(values)


def test_a_range_that_touches_0_is_spread_evenly() -> None:
    plan = Plan("beta", 0.0, 1.0, updates=1)
    assert next_value(plan, [outcome(0.0, 0.5, 1), outcome(1.0, 0.5, 1)]) == 0.5


def test_what_another_process_tries_is_not_tried_again() -> None:
    results = [outcome(0.1, 1, 50), outcome(100.0, 1, 50)]
    first = next_value(PLAN, results)
    assert first is not None
    second = next_value(PLAN, results, [first])
    assert second not in (first, None)


def test_the_interval_ends_at_the_first_value_that_fails() -> None:
    silent = ProblemKind.SILENT
    results = [tried(1.0), tried(2.0, silent), tried(3.0), tried(5.0), tried(4.0), tried(9.0, silent), tried(0.5)]
    inside = interval(PLAN, results, results[3])
    assert [one.value for one in inside] == [3.0, 4.0, 5.0]
