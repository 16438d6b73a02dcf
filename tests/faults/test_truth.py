"""A part of the truth benchmark: mistakes that are found, and healthy scripts that are left alone."""

from __future__ import annotations

import pytest

pytest.importorskip("norse", reason="python -m pip install --no-deps -r tests/conformance/frameworks.txt")

from benchmarks.faults.cases import every
from benchmarks.faults.causes import CHECKS
from benchmarks.faults.folder import NOWHERE
from benchmarks.faults.jobs import Result
from benchmarks.faults.scores import Score
from benchmarks.faults.verdict import Outcome, Said
from spikecheck.checks.base import discover

CASES = every()
FAULTS = (
    "hand-decay-sign",
    "hand-reshaped",
    "norse-schedule-of-epochs",
    "rockpool-summed-over-time",
    "sinabs-optimizer-of-the-old-layer",
    "snntorch-detached-and-kept",
    "spikingjelly-logarithm-of-rates",
    "spikingjelly-output-never-fires",
)
HEALTHY = (
    "hand-frozen-random-features",
    "sinabs-counts-on-purpose",
    "snntorch-learned-beta",
    "spikingjelly-direct-encoding",
    "spikingjelly-parametric-with-dropout",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_the_mistake_is_found_first(name: str) -> None:
    case = CASES[name]
    said = case.watch(True).said
    assert said.rank(case.checks) == 1, said


@pytest.mark.slow
def test_what_watching_cannot_know_gets_a_note_that_names_the_experiment() -> None:
    case = CASES["norse-labels-of-other-samples"]
    result = Result(case, case.watch(True))
    assert result.noted, result.outcome.said
    assert not result.outcome.said.alarms


def test_what_watching_cannot_know_is_counted_by_itself() -> None:
    known, beyond = CASES["norse-labels-from-one"], CASES["norse-labels-of-other-samples"]
    silent, told = (Outcome(Said((), (), notes), NOWHERE, 0.0) for notes in ((), ("SPK313 loss",)))
    score = Score.of([Result(known, told), Result(beyond, silent), Result(beyond, told)])
    assert (score.faults, score.found, score.beyond, score.noted) == (1, 0, 2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_script_is_left_alone(name: str) -> None:
    outcome = CASES[name].watch(False)
    assert not outcome.said.alarms, outcome.said
    assert outcome.training.last < outcome.training.first


def test_each_cause_names_checks_by_ids_that_exist() -> None:
    assert {check for checks in CHECKS.values() for check in checks} <= set(discover())


def test_each_case_names_known_causes_and_says_what_it_is() -> None:
    for case in CASES.values():
        assert {case.cause, *case.accepted} - {None} <= set(CHECKS)
        assert case.about
