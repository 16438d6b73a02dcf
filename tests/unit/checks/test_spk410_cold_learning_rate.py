"""SPK410 cold-learning-rate: a table of numbers, no model."""

from __future__ import annotations

from typing import Any

import pytest

from spikecheck.checks.spk410_cold_learning_rate import ColdLearningRate
from spikecheck.site import LearningRateHistory
from tests.unit.checks.build import findings, gradient, loss, observe, parameter, run, severity_of, update

FLAT = loss(first=3.0, recent_mean=3.01, recent_slope=1e-5, recent_slope_error=1e-4)
LONG = run(update=80)
COLD = update(mean_relative_norm=9e-7, learning_rate=1e-7)


def net(moved, lost=FLAT, of_run=LONG):
    return observe({"fc1.weight": [gradient(), parameter(), moved], "loss": [lost]}, run=of_run)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(update(mean_relative_norm=7e-4)), None, id="a small rate, which learns"),
        pytest.param(net(COLD), "warning", id="Adam at 1e-7"),
        pytest.param(net(update(mean_relative_norm=1e-4)), None, id="at the limit"),
        pytest.param(net(update(mean_relative_norm=9e-5)), "warning", id="just below it"),
        pytest.param(net(COLD, of_run=run(update=49)), None, id="a warm-up, perhaps"),
        pytest.param(net(COLD, loss(first=3.0, recent_mean=2.0)), None, id="the loss is down all the same"),
        pytest.param(net(COLD, loss(first=3.0, recent_mean=2.95)), None, id="the loss falls beyond doubt"),
        pytest.param(net(update(mean_relative_norm=0.0)), None, id="no update at all is found by another check"),
        pytest.param(
            net(update(mean_relative_norm=5e-5, learning_rate_history=LearningRateHistory(1e-9, 1e-3, 3.0, 80))),
            None,
            id="a schedule lowered it, which another check finds",
        ),
        pytest.param(
            net(update(mean_relative_norm=7e-7, learning_rate_history=LearningRateHistory(1e-10, 1e-7, 40.0, 80))),
            "warning",
            id="a schedule lowered it, and the highest rate was too low",
        ),
        pytest.param(net(update(mean_relative_norm=9e-7, learning_rate=None)), "warning", id="the rate is not known"),
        pytest.param(net(update(mean_relative_norm=9e-7, learning_rate=0.01)), None, id="the gradient is small"),
        pytest.param(net(update(mean_relative_norm=9e-7, learning_rate=0.009)), "warning", id="just below that"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(ColdLearningRate(), observations, "fc1.weight") == severity


@pytest.mark.parametrize(
    ("moved", "severity", "explained"),
    [
        pytest.param(update(mean_relative_norm=2.9e-4, learning_rate=1e-5), "warning", False, id="as the rate"),
        pytest.param(update(mean_relative_norm=3e-4, learning_rate=1e-5), None, None, id="at the limit"),
        pytest.param(update(mean_relative_norm=2.9e-4, learning_rate=1e-3), None, None, id="the gradient is small"),
    ],
)
def test_an_optimizer_that_scales_gradients_is_judged_by_its_rate_alone(moved, severity, explained) -> None:
    observations = net(moved)
    assert severity_of(ColdLearningRate(), observations, "fc1.weight") == severity
    for finding in findings(ColdLearningRate(), observations, "fc1.weight"):
        assert ("SPK203" in finding.explained_by) is explained


WARM_UP = LearningRateHistory(2e-7, 2e-7, 80.0, 80, scheduled_rate=2e-3)


@pytest.mark.parametrize(
    ("history", "live", "severity"),
    [
        pytest.param(WARM_UP, True, None, id="a scheduler holds it far below its rate"),
        pytest.param(WARM_UP, False, "warning", id="until the end of the run"),
        pytest.param(LearningRateHistory(2e-7, 2e-7, 80.0, 80, scheduled_rate=2e-7), True, "warning", id="its rate"),
        pytest.param(LearningRateHistory(2e-7, 2e-7, 80.0, 80), True, "warning", id="no scheduler"),
    ],
)
def test_a_warm_up_is_waited_for(history, live, severity) -> None:
    cold = update(mean_relative_norm=9e-7, learning_rate=2e-7, learning_rate_history=history)
    observations = net(cold, of_run=run(live=live, update=80))
    assert severity_of(ColdLearningRate(), observations, "fc1.weight") == severity


@pytest.mark.parametrize(("rate", "explained"), [(1e-9, False), (1e-6, False), (2e-6, True), (None, True)])
def test_a_silent_layer_explains_small_updates_unless_the_learning_rate_does(rate, explained) -> None:
    observations = net(update(mean_relative_norm=9e-7, learning_rate=rate))
    (finding,) = findings(ColdLearningRate(), observations, "fc1.weight")
    assert ("SPK203" in finding.explained_by) is explained


def test_the_weight_that_moves_most_is_judged() -> None:
    places = {"fc1.weight": [gradient(), parameter(), COLD], "fc2.weight": [gradient(), parameter(), update()]}
    observations = observe({**places, "loss": [FLAT]}, run=LONG)
    assert [severity_of(ColdLearningRate(), observations, name) for name in places] == [None, None]


def history(rate: float, **changed: Any) -> LearningRateHistory:
    return LearningRateHistory(rate, rate, 80.0, 80, **changed)


def two_groups(rate=1e-9, moved=1e-8, grad=None, of_run=LONG, **changed):
    """A weight that learns, and a decay in a parameter group of its own."""
    slow = update(mean_relative_norm=moved, learning_rate=rate, learning_rate_history=history(rate, **changed))
    fast = update(learning_rate=2e-3, learning_rate_history=history(2e-3))
    of_decay = [grad or gradient(dimensions=0), parameter(dimensions=0), slow]
    places = {"fc1.weight": [gradient(), parameter(), fast], "lif1.beta": of_decay, "loss": [loss()]}
    return observe(places, run=of_run)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(two_groups(), "warning", id="1e-9 beside 2e-3"),
        pytest.param(two_groups(rate=2e-8), "warning", id="at the limit"),
        pytest.param(two_groups(rate=2.1e-8), None, id="just above it"),
        pytest.param(two_groups(rate=0.0), None, id="frozen on purpose"),
        pytest.param(two_groups(moved=1.3e-4), None, id="it moved by 1% all the same, as from 0"),
        pytest.param(two_groups(grad=gradient(mean_norm=0.0)), None, id="without a gradient, another check says so"),
        pytest.param(two_groups(of_run=run(update=49)), None, id="too early"),
        pytest.param(two_groups(optimizer="SGD"), None, id="another optimizer, whose gradients may be large"),
        pytest.param(two_groups(of_run=run(live=True, update=80)), "warning", id="while training runs"),
        pytest.param(
            two_groups(of_run=run(live=True, update=80), scheduled_rate=2e-3), None, id="a group that warms up"
        ),
    ],
)
def test_a_group_whose_rate_is_far_below_that_of_another(observations, severity) -> None:
    assert severity_of(ColdLearningRate(), observations, "lif1.beta") == severity
    assert severity_of(ColdLearningRate(), observations, "fc1.weight") is None


def test_the_fix_gives_the_group_the_rate_of_the_others() -> None:
    [finding] = findings(ColdLearningRate(), two_groups(), "lif1.beta")
    assert finding.message == "lif1.beta stays where it began: a learning rate of 1e-9, beside 0.002"
    assert finding.fix == 'for group in optimizer.param_groups:\n    group["lr"] = 0.002'


def test_a_weight_that_begins_near_0_says_nothing_of_the_others() -> None:
    """Its updates are large relative to its norm, and as small as those of the other weight in numbers."""
    cold = update(mean_relative_norm=9e-7, mean_norm=2e-6, learning_rate=1e-7)
    from_zero = update(mean_relative_norm=0.5, mean_norm=1e-6, learning_rate=1e-7)
    places = {"fc1.weight": [gradient(), parameter(), cold], "fc2.weight": [gradient(), parameter(), from_zero]}
    observations = observe({**places, "loss": [FLAT]}, run=LONG)
    assert severity_of(ColdLearningRate(), observations, "fc1.weight") == "warning"
