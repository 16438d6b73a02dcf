"""SPK409 unmoved-weights: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk409_unmoved_weights import UnmovedWeights
from spikecheck.update_readings import GradientAtStepReading
from tests.unit.checks.build import findings, gradient, loss, observe, parameter, run, severity_of, spikes, update

STILL = update(unmoved_updates=20, mean_relative_norm=0.0)


def net(moved, grad, *, position: int = 1, dimensions: int = 2):
    return observe(
        {
            "fc1.weight": [grad, parameter(dimensions=dimensions), moved],
            "fc2.weight": [gradient(), parameter(), update()],
        },
        sites={"fc1.weight": {"position": position}},
    )


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(update(), gradient()), None, id="it moves"),
        pytest.param(net(STILL, gradient(mean_norm=0.0, zero_updates=20)), "warning", id="the gradient is 0"),
        pytest.param(
            net(STILL, gradient(mean_norm=0.0, missing_updates=20)), "warning", id="it has none, though its module ran"
        ),
        pytest.param(
            net(STILL, gradient(mean_norm=0.0, missing_updates=20), position=0), "note", id="its module never ran"
        ),
        pytest.param(net(STILL, gradient(), dimensions=1), None, id="a threshold"),
        pytest.param(net(update(unmoved_updates=19), gradient()), None, id="it moved once"),
        pytest.param(net(update(updates=9, unmoved_updates=9), gradient()), None, id="too few steps to say"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(UnmovedWeights(), observations, "fc1.weight") == severity


@pytest.mark.parametrize(
    ("moved", "grad", "reason"),
    [
        pytest.param(STILL, gradient(mean_norm=0.0, zero_updates=20), "the gradient is 0", id="gradient"),
        pytest.param(STILL, gradient(mean_norm=0.0, missing_updates=20), "no gradient arrives", id="missing"),
        pytest.param(update(unmoved_updates=20, learning_rate=0.0), gradient(), "the learning rate is 0", id="rate"),
        pytest.param(STILL, gradient(), "the updates round to 0", id="rounding"),
        pytest.param(STILL, gradient(zero_updates=12), "the gradient is 0", id="in those steps that were compared"),
    ],
)
def test_the_message_gives_the_reason(moved, grad, reason) -> None:
    (finding,) = findings(UnmovedWeights(), net(moved, grad), "fc1.weight")
    assert finding.message == f"fc1.weight never moved: {reason}"


CLEARED = GradientAtStepReading(updates=20, cleared_updates=20)
NO_RATE = update(unmoved_updates=20, mean_relative_norm=0.0, learning_rate=0.0)
FLAT = loss(first=3.0, recent_mean=3.01, recent_slope=0.0)


def standstill(moved=STILL, grad=None, *more, lost=FLAT, live: bool = False):
    """Neither weight moves."""
    grad = grad or gradient()
    weights = {f"fc{n}.weight": [grad, parameter(), moved, *more] for n in (1, 2)}
    return observe(weights | {"loss": [lost]}, run=run(live=live))


@pytest.mark.parametrize(
    ("observations", "reason"),
    [
        pytest.param(
            standstill(STILL, gradient(mean_norm=0.0, zero_updates=20), CLEARED), "the gradient is cleared", id="zeroed"
        ),
        pytest.param(
            standstill(STILL, gradient(mean_norm=0.0, missing_updates=20), CLEARED),
            "the gradient is cleared",
            id="None",
        ),
        pytest.param(
            standstill(STILL, gradient(mean_norm=0.0, zero_updates=20), CLEARED, live=True),
            "the gradient is cleared",
            id="live",
        ),
        pytest.param(standstill(NO_RATE), "the learning rate is 0", id="rate"),
        pytest.param(standstill(NO_RATE, live=True), None, id="a warm-up may begin so"),
        pytest.param(standstill(), "the updates round to 0", id="rounding"),
        pytest.param(standstill(lost=loss()), None, id="the loss falls: the weights are moved in another way"),
        pytest.param(
            standstill(STILL, gradient(mean_norm=0.0, zero_updates=20)),
            None,
            id="no gradient arrived: another check says why",
        ),
        pytest.param(
            standstill(STILL, gradient(mean_norm=0.0, missing_updates=20)),
            "no gradient arrives",
            id="no weight was ever reached: the loss was not computed from them",
        ),
        pytest.param(
            standstill(
                STILL, gradient(mean_norm=0.0, zero_updates=19), GradientAtStepReading(updates=20, cleared_updates=19)
            ),
            None,
            id="cleared in all updates but one",
        ),
    ],
)
def test_where_nothing_moves_the_reason_lies_in_the_optimizer_or_the_loss(observations, reason) -> None:
    made = findings(UnmovedWeights(), observations, "fc1.weight")
    assert [f.message.partition(": ")[2].partition(" between")[0] for f in made] == ([reason] if reason else [])
    of_the_network = reason in ("the updates round to 0", "no gradient arrives")  # a silent layer may explain it
    assert all(bool(f.explained_by) is of_the_network for f in made)


def test_one_finding_stands_for_all() -> None:
    assert severity_of(UnmovedWeights(), standstill(), "fc2.weight") is None


NO_GRADIENT = gradient(mean_norm=0.0, zero_updates=20)
SQUARE = parameter(elements=96 * 96, fan_in=96)


def recurrent(value=SQUARE, grad=NO_GRADIENT, spiking=None, fed_by="fc1"):
    places = {
        "fc1.weight": [gradient(), parameter(), update()],
        "back.weight": [grad, value, STILL],
        "network": [spiking or spikes()],
    }
    return observe(places, sites={"network": {"fed_by": fed_by}})


@pytest.mark.parametrize(
    ("observations", "reason"),
    [
        pytest.param(
            recurrent(), "the layer's spikes of the step before never reach it", id="a new state in each step"
        ),
        pytest.param(recurrent(parameter(elements=96 * 20, fan_in=96)), "the gradient is 0", id="a readout"),
        pytest.param(recurrent(fed_by="back"), "the gradient is 0", id="it feeds the layer"),
        pytest.param(recurrent(spiking=spikes(count=0.0, active=0)), "the gradient is 0", id="the layer is silent"),
    ],
)
def test_a_recurrent_weight_without_a_gradient_gets_no_spikes(observations, reason) -> None:
    (finding,) = findings(UnmovedWeights(), observations, "back.weight")
    assert finding.message == f"back.weight never moved: {reason}"
    assert ("once per sequence" in finding.fix) is ("step before" in reason)


@pytest.mark.parametrize(
    ("bias", "reason"),
    [
        pytest.param(gradient(dimensions=1), "no gradient arrives", id="a bias behind the cut gets one"),
        pytest.param(gradient(mean_norm=0.0, missing_updates=20, dimensions=1), None, id="the loss falls all the same"),
    ],
)
def test_a_cut_is_named_where_no_weight_behind_it_moves_either(bias, reason) -> None:
    missing, zero = gradient(mean_norm=0.0, missing_updates=20), gradient(mean_norm=0.0, zero_updates=20)
    last = zero if reason else missing
    observations = observe(
        {
            "fc1.weight": [missing, parameter(), STILL],
            "fc2.weight": [last, parameter(), STILL],
            "fc2.bias": [bias, parameter(dimensions=1), update()],
            "loss": [loss()],
        },
        sites={"fc1.weight": {"position": 1}, "fc2.weight": {"position": 2}, "fc2.bias": {"position": 2}},
    )
    reported = findings(UnmovedWeights(), observations, "fc1.weight")
    assert [finding.message for finding in reported] == (
        [f"fc1.weight and 1 more never moved: {reason}"] if reason else []
    )
    assert all("SPK203" not in finding.explained_by for finding in reported)
