"""Part of the truth benchmark: faults that are found, and healthy scripts without findings."""

from __future__ import annotations

import pytest

pytest.importorskip("norse", reason="python -m pip install --no-deps -r tests/conformance/frameworks.txt")

from benchmarks.faults.cases import every
from benchmarks.faults.causes import CHECKS
from benchmarks.faults.folder import NOWHERE
from benchmarks.faults.jobs import Result
from benchmarks.faults.page import page
from benchmarks.faults.scores import Score, with_interval
from benchmarks.faults.verdict import Findings, Outcome
from spikecheck.checks.discovery import discover
from tests.full import every_time

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
@pytest.mark.parametrize("name", every_time(FAULTS, always=FAULTS[::3]))
def test_the_fault_is_the_first_root_cause(name: str) -> None:
    case = CASES[name]
    findings = case.watch(True).findings
    assert findings.rank(case.checks) == 1, findings


@pytest.mark.slow
def test_a_fault_that_watching_cannot_detect_gets_a_note_that_names_the_experiment() -> None:
    case = CASES["norse-labels-of-other-samples"]
    result = Result(case, case.watch(True))
    assert result.noted, result.outcome.findings
    assert not result.outcome.findings.alarms


def test_faults_that_watching_cannot_detect_are_counted_separately() -> None:
    known, beyond = CASES["norse-labels-from-one"], CASES["norse-labels-of-other-samples"]
    silent, noted = (Outcome(Findings((), (), notes), NOWHERE, 0.0) for notes in ((), ("SPK313 loss",)))
    score = Score.of([Result(known, noted), Result(beyond, silent), Result(beyond, noted)])
    assert (score.faults, score.detected, score.beyond, score.noted) == (1, 0, 2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", every_time(HEALTHY, always=HEALTHY[:1]))
def test_a_healthy_script_gets_no_alarm(name: str) -> None:
    outcome = CASES[name].watch(False)
    assert not outcome.findings.alarms, outcome.findings
    assert outcome.training.last < outcome.training.first


def test_each_cause_has_ids_of_existing_checks() -> None:
    assert {check for checks in CHECKS.values() for check in checks} <= set(discover())


def test_each_case_has_known_causes_and_a_description() -> None:
    for case in CASES.values():
        assert {case.cause, *case.accepted} - {None} <= set(CHECKS)
        assert case.about


def test_the_page_counts_reports_apart_from_own_cases() -> None:
    own, reported = CASES["norse-labels-from-one"], CASES["hand-norm-without-epsilon"]
    outcome = Outcome(Findings(("SPK306 loss",), ("SPK306 loss",), ()), NOWHERE, 0.0)
    text = page([Result(own, outcome), Result(reported, outcome)], {})
    recall = next(line for line in text.splitlines() if line.startswith("| recall"))
    assert [cell.strip().partition(" (")[0] for cell in recall.split("|")[2:4]] == ["1 of 1", "0 of 1"]
    assert "Parallel-Spiking-Neuron/issues/3" in text.partition("from public reports\n")[2]


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 92, "0 of 92 (0%; 0% to 4%)"),
        (12, 38, "12 of 38 (32%; 18% to 49%)"),
        (5, 5, "5 of 5 (100%; 48% to 100%)"),
        (0, 0, "none"),
    ],
)
def test_a_share_has_its_confidence_interval(part: int, whole: int, shown: str) -> None:
    """Compared with the tables of Clopper and Pearson."""
    assert with_interval(part, whole) == shown
