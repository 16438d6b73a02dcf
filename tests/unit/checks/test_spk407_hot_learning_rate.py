"""SPK407 hot-learning-rate: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk407_hot_learning_rate import HotLearningRate
from tests.unit.checks.build import findings, loss, observe, parameter, severity_of, update

WORSE = loss(first=3.0, recent_mean=12.0)


def net(moved, lost=WORSE, weight=None):
    return observe({"fc1.weight": [moved, weight or parameter()], "loss": [lost]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(update()), None, id="ordinary steps"),
        pytest.param(
            net(update(mean_relative_norm=2.5, max_relative_norm=23.0, learning_rate=0.5)), "warning", id="Adam at 0.5"
        ),
        pytest.param(net(update(mean_relative_norm=0.5)), "warning", id="at the limit"),
        pytest.param(net(update(mean_relative_norm=0.49)), None, id="just below it"),
        pytest.param(net(update(mean_relative_norm=2.5, updates=4)), None, id="too few steps to say"),
        pytest.param(net(update(mean_relative_norm=2.5), loss()), None, id="the loss falls all the same"),
        pytest.param(
            net(update(mean_relative_norm=2.5), weight=parameter(dimensions=1)), None, id="a bias that starts at 0"
        ),
        pytest.param(
            net(update(mean_relative_norm=2.5), loss(first=3.0, recent_mean=float("nan"))),
            "warning",
            id="the loss is NaN",
        ),
        pytest.param(
            net(update(mean_relative_norm=0.6, mean_norm=0.017), weight=parameter(elements=32, fan_in=32, rms=0.01)),
            None,
            id="a class token that starts at 0",
        ),
        pytest.param(
            net(update(mean_relative_norm=0.6, mean_norm=0.3), weight=parameter(elements=32, fan_in=32, rms=0.01)),
            "warning",
            id="a class token that moves by half of a default initialization per update",
        ),
        pytest.param(net(update(mean_relative_norm=2.5, learning_rate=None)), "warning", id="the rate is not known"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(HotLearningRate(), observations, "fc1.weight") == severity


def test_one_finding_is_made_at_the_weight_that_moves_most() -> None:
    places = {f"fc{n}.weight": [update(mean_relative_norm=float(n)), parameter()] for n in (1, 2, 3)}
    observations = observe({**places, "loss": [WORSE]})
    made = [finding for name in places for finding in findings(HotLearningRate(), observations, name)]
    assert [finding.site.name for finding in made] == ["fc3.weight"]
    assert made[0].message == "one update changes fc3.weight by 300% of its norm, and the loss does not fall"
    assert "at a learning rate of 0.001" in made[0].observed.text


@pytest.mark.parametrize(("begin", "explained"), [(0.1, True), (0.5, False), (None, False)])
def test_accumulated_gradients_explain_updates_that_were_small_at_first(begin, explained) -> None:
    places = {"fc1.weight": [update(mean_relative_norm=2.5), parameter()], "loss": [WORSE]}
    first = {} if begin is None else {"fc1.weight": [update(mean_relative_norm=begin, updates=1)]}
    [finding] = findings(HotLearningRate(), observe(places, first=first), "fc1.weight")
    assert ("SPK413" in finding.explained_by) is explained
