"""Part of the benchmark of random healthy networks: none gets a warning."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("norse", reason="python -m pip install --no-deps -r tests/conformance/frameworks.txt")

from benchmarks.healthy.__main__ import summary
from benchmarks.healthy.sweep import Alarm, Outcome, upper_bound, watched

SEEDS = (104, 109, 124, 126)  # a hand-written cell, sinabs twice, norse: the fastest ones


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_healthy_network_gets_no_warning(seed: int) -> None:
    outcome = watched(seed)
    assert outcome.healthy
    assert not outcome.alarms


def test_the_upper_bound_is_that_of_the_binomial_distribution() -> None:
    assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))  # the rule of three
    assert upper_bound(1, 1) == pytest.approx(1.0)
    assert upper_bound(3, 200) == pytest.approx(0.0383, abs=1e-4)  # the quantile of the beta distribution


def test_only_healthy_runs_are_counted() -> None:
    def outcome(last: float, *alarms: Alarm, first: float = 3.1) -> Outcome:
        return Outcome(1, {"task": "classes"}, constant=3.0, first=first, last=last, alarms=alarms, seconds=1.0)

    false = Alarm("SPK203", "error", "live", "silent")
    loud = outcome(1.0, false, first=9.0)
    text = summary([outcome(1.0), outcome(1.0, false, false), outcome(2.7, false), loud])
    assert "4 runs, 2 healthy" in text
    assert replace(loud, words={"task": "numbers"}).healthy
    assert "1 of these with a false warning: 50.0%" in text
    assert "SPK203: 1" in text
