"""SPK112 unlike-evaluation-input: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from spikecheck.checks.spk112_unlike_evaluation_input import UnlikeEvaluationInput
from spikecheck.readings import EvaluationInputReading
from tests.unit.checks.build import FINITE, findings, inputs, observe, run

RATIO = UnlikeEvaluationInput.limits()["min_ratio"][0]
SAMPLES = UnlikeEvaluationInput.limits()["min_samples"][0]
COUNT = inputs().count


def evaluated(**changed) -> EvaluationInputReading:
    """The input of the evaluation: as that of the training, but for what is changed."""
    return EvaluationInputReading(**{**asdict(inputs()), "non_finite": FINITE, **changed})


@pytest.mark.parametrize(
    ("training", "evaluation", "expected"),
    [
        pytest.param({}, {}, [], id="alike"),
        pytest.param({}, {"count": RATIO * COUNT}, ["5x the mean"], id="at the limit"),
        pytest.param({}, {"count": 0.99 * RATIO * COUNT}, [], id="below it"),
        pytest.param({}, {"count": COUNT / 255}, ["0.0039x the mean"], id="scaled twice"),
        pytest.param({}, {"count": 0.0, "maximum": 0.0}, [], id="zeros, to count operations"),
        pytest.param({}, {"count": COUNT / 255, "samples": SAMPLES - 1, "forward_passes": 1}, [], id="few samples"),
        pytest.param(
            {"minimum": -2.0, "maximum": 2.0},
            {"maximum": 255.0},
            ["130x the largest magnitude"],
            id="not normalized",
        ),
        pytest.param({}, {"count": COUNT / 255, "shape": (20, 99, 100)}, ["0.0039x the mean"], id="another batch size"),
        pytest.param({}, {"count": COUNT / 255, "shape": (20, 16, 64)}, [], id="a tensor of another kind"),
        pytest.param({"minimum": -2.0, "maximum": 2.0}, {"minimum": -9.9, "maximum": 0.0}, [], id="noisier"),
    ],
)
def test_judge(training, evaluation, expected) -> None:
    places = {"input": [inputs(**training), evaluated(**evaluation)]}
    made = findings(UnlikeEvaluationInput(), observe(places), "input")
    assert [one.message.partition(" has ")[2].partition(" of that")[0] for one in made] == expected


def test_data_that_are_altered_after_a_first_evaluation_are_a_test_of_robustness() -> None:
    first, later = [inputs(), evaluated()], [inputs(), evaluated(count=COUNT / 10)]
    assert not findings(UnlikeEvaluationInput(), observe({"input": later}, first={"input": first}), "input")


def test_a_run_that_does_not_train_has_nothing_to_compare() -> None:
    places = {"input": [inputs(), evaluated(count=COUNT / 255)]}
    assert not findings(UnlikeEvaluationInput(), observe(places, run=run(backward_passes=0)), "input")
