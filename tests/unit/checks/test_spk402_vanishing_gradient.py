"""SPK402 vanishing-gradient: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk402_vanishing_gradient import VanishingGradient
from tests.unit.checks.build import findings, firing_at, gradient, loss, observe, parameter, run, severity_of, update


def net(*norms: float, dimensions: int = 2, update: int = 48):
    layers = {
        f"fc{n}.weight": [gradient(mean_norm=norm, dimensions=dimensions), parameter(dimensions=dimensions)]
        for n, norm in enumerate(norms)
    }
    return observe(layers, run=run(update=update))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(0.1, 0.2, 1.0), None, id="of ordinary size"),
        pytest.param(net(0.18, 1.0, 20.0), None, id="the largest ratio of a healthy network"),
        pytest.param(net(7e-7, 7e-5, 5e-3, 0.8), "warning", id="a surrogate that is too steep"),
        pytest.param(net(1.0, 10.0, 3000.0), "warning", id="at the limit"),
        pytest.param(net(1.0, 10.0, 2999.0), None, id="just below it"),
        pytest.param(net(500.0, 7.0, 0.1), None, id="the other way round"),
        pytest.param(net(7e-7, 0.8, update=47), None, id="too early: a last weight that starts at 0"),
        pytest.param(net(1e-9), None, id="one layer alone"),
        pytest.param(net(0.0, 0.0, 1.0), None, id="0 is found by another check"),
        pytest.param(net(float("nan"), 1.0), None, id="NaN is found by another check"),
        pytest.param(net(1e-9, 1.0, dimensions=1), None, id="biases and thresholds"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(VanishingGradient(), observations, "fc0.weight") == severity


def test_one_finding_names_both_ends_and_lists_what_lies_between() -> None:
    observations = net(7e-7, 7e-5, 5e-3, 0.8)
    made = [f for n in range(4) for f in findings(VanishingGradient(), observations, f"fc{n}.weight")]
    assert [f.message for f in made] == [
        "the gradient of fc0.weight is 1.14 million times smaller than that of fc3.weight (7e-7 vs 0.8)"
    ]
    assert "fc1.weight 7e-5" in made[0].observed.text


def trained(*norms: float, mean: float = 1.8, updates: int = 120, live: bool = False):
    """A network at 60 % of ln 20 = 3.00."""
    places = {f"fc{n}.weight": [gradient(mean_norm=norm), parameter()] for n, norm in enumerate(norms)}
    places["loss"] = [loss(updates=updates, recent_mean=mean)]
    return observe(places, run=run(update=120, live=live))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(trained(6e-5, 6e-4, 6e-3, 0.08), "warning", id="tenfold at each of three layers"),
        pytest.param(trained(1.0, 5.0, 25.0, 125.0), "warning", id="at the limit"),
        pytest.param(trained(1.0, 4.9, 25.0, 500.0), None, id="less than that at one of them"),
        pytest.param(trained(1.0, 20.0, 400.0), None, id="two layers, as in healthy networks"),
        pytest.param(trained(1.0, 10.0, 100.0, 1000.0, mean=1.4), None, id="the loss has halved"),
        pytest.param(trained(1.0, 10.0, 100.0, 1000.0, live=True), None, id="training goes on"),
        pytest.param(trained(1.0, 10.0, 100.0, 1000.0, updates=63), None, id="too early to expect learning"),
    ],
)
def test_a_gradient_that_falls_at_each_layer_where_little_is_learned(observations, severity) -> None:
    assert severity_of(VanishingGradient(), observations, "fc0.weight") == severity


def test_a_fall_at_each_layer_is_compared_weight_by_weight() -> None:
    (finding,) = findings(VanishingGradient(), trained(6e-5, 6e-4, 6e-3, 0.08), "fc0.weight")
    assert finding.expected.text.startswith("norms within a factor of 5 from one weight to the next")


def lost(zero: int = 98, rate: float = 0.3, live: bool = False, mean: float = 2.99, unmoved: int = 0):
    """A first weight whose gradient is 0 in `zero` of 120 updates, in a network at chance: ln 20 = 3.00."""
    places = {
        "fc0.weight": [gradient(updates=120, zero_updates=zero), parameter(), update(unmoved_updates=unmoved)],
        **firing_at(rate),
        "fc1.weight": [gradient(updates=120), parameter(), update()],
        "loss": [loss(recent_mean=mean, recent_slope=0.0)],
    }
    return observe(places, run=run(update=120, live=live))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(lost(), "warning", id="mostly 0"),
        pytest.param(lost(60), "warning", id="in half of the updates"),
        pytest.param(lost(59), None, id="in less than half"),
        pytest.param(lost(rate=0.0005), None, id="a silent layer, which belongs to another check"),
        pytest.param(lost(live=True), None, id="training goes on"),
        pytest.param(lost(mean=1.0), None, id="the network learns all the same"),
        pytest.param(lost(unmoved=20), None, id="a weight that never moved, which belongs to another check"),
    ],
)
def test_a_gradient_that_is_mostly_exactly_0_where_nothing_is_learned(observations, severity) -> None:
    assert severity_of(VanishingGradient(), observations, "fc0.weight") == severity


def test_the_message_counts_the_updates() -> None:
    (finding,) = findings(VanishingGradient(), lost(), "fc0.weight")
    assert finding.message == "the gradient of fc0.weight is exactly 0 in 98 of 120 updates, although all layers fire"
    assert finding.observed.text == "a gradient of exactly 0 in 98 of 120 updates; for fc1.weight, in 0"
