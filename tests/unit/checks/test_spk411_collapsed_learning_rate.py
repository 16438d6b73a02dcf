"""SPK411 collapsed-learning-rate: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk411_collapsed_learning_rate import CollapsedLearningRate
from spikecheck.site import LearningRateHistory
from tests.unit.checks.build import findings, gradient, loss, observe, parameter, severity_of, update

COLLAPSED = LearningRateHistory(2e-6, 2e-3, 2.0, 65)


def net(history):
    return observe({f"fc{n}.weight": [gradient(), parameter(), update(learning_rate_history=history)] for n in (1, 2)})


@pytest.mark.parametrize(
    ("history", "severity"),
    [
        pytest.param(LearningRateHistory(2e-3, 2e-3, 80.0, 80), None, id="constant"),
        pytest.param(LearningRateHistory(2e-6, 2e-3, 2.0, 65), "warning", id="halved after each batch"),
        pytest.param(LearningRateHistory(3e-5, 2e-3, 60.0, 120), None, id="a cosine at its end"),
        pytest.param(LearningRateHistory(1e-9, 2e-3, 10.0, 20), None, id="a short cosine at its end"),
        pytest.param(LearningRateHistory(2e-3, 2e-3, 2.0, 40), None, id="a warm-up that has just arrived"),
        pytest.param(LearningRateHistory(2e-5, 2e-3, 16.0, 80), "warning", id="at the limits"),
        pytest.param(LearningRateHistory(1e-8, 1e-3, 45.4, 225), None, id="a plateau, noticed early"),
        pytest.param(LearningRateHistory(1e-9, 2e-3, 20.0, 80), None, id="a cubic schedule at its end"),
        pytest.param(LearningRateHistory(2.1e-5, 2e-3, 16.0, 80), None, id="more than a hundredth is left"),
        pytest.param(
            LearningRateHistory(1e-6, 2e-3, 400.0, 9000), None, id="steps by epochs, after hundreds of updates"
        ),
        pytest.param(LearningRateHistory(0.0, 0.0, 0.0, 80), None, id="0 from the start"),
        pytest.param(None, None, id="the rate is not known"),
    ],
)
def test_judge(history, severity) -> None:
    assert severity_of(CollapsedLearningRate(), net(history), "fc1.weight") == severity


@pytest.mark.parametrize(("mean", "severity"), [(2.6, "warning"), (1.4, None)], ids=["a little", "half of a guess"])
def test_what_was_learned_by_then(mean, severity) -> None:
    places = {"fc1.weight": [gradient(), parameter(), update(learning_rate_history=COLLAPSED)]}
    places["loss"] = [loss(updates=200, first=3.0, recent_mean=mean)]
    assert severity_of(CollapsedLearningRate(), observe(places), "fc1.weight") == severity


def test_one_finding_stands_for_all() -> None:
    observations = net(LearningRateHistory(2e-6, 2e-3, 2.0, 65))
    made = [f for n in (1, 2) for f in findings(CollapsedLearningRate(), observations, f"fc{n}.weight")]
    assert [f.message for f in made] == ["the learning rate of fc1.weight fell from 0.002 to 2e-6 within 65 updates"]


@pytest.mark.parametrize(("effective", "severity"), [(54.0, None), (50.0, "warning")], ids=["cubic", "at the limit"])
def test_a_little_more_is_too_little_where_nothing_is_learned(effective, severity) -> None:
    history = LearningRateHistory(1e-8, 1e-3, effective, 215)
    places = {"fc1.weight": [gradient(), parameter(), update(learning_rate_history=history)]}
    stuck = observe({**places, "loss": [loss(first=3.0, recent_mean=3.0, recent_slope=0.0)]})
    assert severity_of(CollapsedLearningRate(), stuck, "fc1.weight") == severity
