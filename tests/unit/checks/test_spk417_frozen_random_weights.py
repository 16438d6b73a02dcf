"""SPK417 frozen-random-weights: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk417_frozen_random_weights import FrozenRandomWeights
from tests.unit.checks.build import findings, flow, gradient, loss, observe, parameter, run, severity_of, spikes

DEFAULT = 3**-0.5


@pytest.mark.parametrize(
    ("weight", "first", "severity"),
    [
        pytest.param(parameter(scale=DEFAULT), None, "note", id="as nn.Linear draws it"),
        pytest.param(parameter(scale=DEFAULT * 1.02), None, "note", id="within the error of 6,400 values"),
        pytest.param(parameter(scale=DEFAULT * 1.03), None, None, id="beyond it: trained before, or drawn otherwise"),
        pytest.param(parameter(scale=DEFAULT), parameter(scale=0.5), None, id="it moves, by hand"),
        pytest.param(parameter(scale=DEFAULT, elements=1000), None, None, id="too few elements to say"),
        pytest.param(parameter(scale=DEFAULT, dimensions=1), None, None, id="a bias"),
    ],
)
def test_judge(weight, first, severity) -> None:
    places = {"fc1.weight": [weight], "fc2.weight": [parameter(), gradient()]}
    observations = observe(places, first=None if first is None else {"fc1.weight": [first]})
    assert severity_of(FrozenRandomWeights(), observations, "fc1.weight") == severity


def test_without_any_training_nothing_is_frozen() -> None:
    observations = observe({"fc1.weight": [parameter(scale=DEFAULT)]})
    assert severity_of(FrozenRandomWeights(), observations, "fc1.weight") is None


NO_SPIKE = spikes(active=0, count=0, maximum=0)


@pytest.mark.parametrize(
    ("layer", "first", "updates", "severity"),
    [
        pytest.param([NO_SPIKE], NO_SPIKE, 16, "warning", id="silent from the start"),
        pytest.param([NO_SPIKE], NO_SPIKE, 15, None, id="too early"),
        pytest.param([spikes()], NO_SPIKE, 16, None, id="it woke up"),
        pytest.param([NO_SPIKE], spikes(), 16, None, id="it fired at first"),
        pytest.param(
            [NO_SPIKE, flow(spikes_receive_gradient=False)], NO_SPIKE, 16, None, id="only its potential counts"
        ),
    ],
)
def test_a_frozen_weight_that_feeds_a_silent_layer_is_a_warning_whatever_its_scale(
    layer, first, updates, severity
) -> None:
    places = {"fc1.weight": [parameter(scale=0.3)], "lif1": layer, "fc2.weight": [parameter(), gradient()]}
    observations = observe(places, first={"lif1": [first]}, sites={"lif1": {"fed_by": "fc1"}}, run=run(update=updates))
    made = findings(FrozenRandomWeights(), observations, "fc1.weight")
    assert [one.severity.label for one in made] == ([severity] if severity else [])
    assert all(one.message.endswith("lif1 behind it is silent") for one in made)


def test_a_module_that_trains_another_weight_is_not_frozen() -> None:
    places = {
        "delay.width": [parameter(scale=5.8)],
        "delay.weight": [parameter(), gradient()],
        "lif1": [NO_SPIKE],
    }
    observations = observe(places, first={"lif1": [NO_SPIKE]}, sites={"lif1": {"fed_by": "delay"}}, run=run(update=100))
    assert severity_of(FrozenRandomWeights(), observations, "delay.width") is None


@pytest.mark.parametrize(
    ("level", "others", "live", "severity"),
    [
        pytest.param(2.8, 0, False, "warning", id="a readout that learns little"),
        pytest.param(2.2, 0, False, "note", id="a reservoir that is good enough"),
        pytest.param(2.8, 1, False, "note", id="a hidden layer is trained"),
        pytest.param(2.8, 0, True, "note", id="training goes on"),
    ],
)
def test_random_features_of_which_a_readout_learns_little(level, others, live, severity) -> None:
    trained = {f"fc{n}.weight": [parameter(), gradient()] for n in range(2, 3 + others)}
    value = loss(recent_mean=level, recent_deviation=0.01)
    observations = observe(
        {"fc1.weight": [parameter(scale=DEFAULT)], **trained, "loss": [value]}, run=run(update=100, live=live)
    )
    assert severity_of(FrozenRandomWeights(), observations, "fc1.weight") == severity
