"""A part of the truth benchmark: mistakes that are found, and healthy scripts that are left alone."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("norse", reason="python -m pip install --no-deps -r tests/conformance/frameworks.txt")

from benchmarks.faults.cases import every
from benchmarks.faults.causes import CHECKS
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


@pytest.fixture(autouse=True)
def as_before():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_the_mistake_is_found_first(name: str) -> None:
    case = CASES[name]
    said = case.watch(True).said
    assert said.rank(case.checks) == 1, said


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
