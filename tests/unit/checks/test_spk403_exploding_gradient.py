"""SPK403 exploding-gradient: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk403_exploding_gradient import ExplodingGradient
from spikecheck.update_readings import GradientAtStepReading
from tests.unit.checks.build import findings, gradient, inputs, loss, observe, parameter, severity_of, spikes
from tests.unit.checks.test_spk402_vanishing_gradient import net


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(2.0, 0.7, 1.0), None, id="of ordinary size"),
        pytest.param(net(5.3, 1.3, 2.0), None, id="a little larger in front"),
        pytest.param(net(3e11, 6e9, 3e7, 0.2), "warning", id="a surrogate that is too narrow"),
        pytest.param(net(500.0, 7.0, 0.09), "warning", id="one that is as high as it is steep"),
        pytest.param(net(300.0, 1.0), "warning", id="at the limit"),
        pytest.param(net(299.0, 1.0), None, id="just below it"),
        pytest.param(net(7e-7, 0.8), None, id="the other way round"),
        pytest.param(net(1.0, 0.0), None, id="0 is found by another check"),
        pytest.param(net(float("inf"), 1.0), None, id="infinity is found by another check"),
    ],
)
def test_judge(observations, severity) -> None:
    assert isinstance(observations, type(observe({})))
    assert severity_of(ExplodingGradient(), observations, "fc0.weight") == severity


def quiet(active, *, last=1.0):
    """Gradients of 3000 and `last`; 23 % of the input are events, `active` of 409,600 bins of the layer are spikes."""
    places = {
        "input": [inputs()],
        "fc1.weight": [parameter(), gradient(mean_norm=3000.0)],
        "lif1": [spikes(active=active)],
        "fc2.weight": [parameter(), gradient(mean_norm=last)],
    }
    return observe(places)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(quiet(20_480), "warning", id="layers that fire as often as the input"),
        pytest.param(quiet(961), "warning", id="a hundredth of the input's rate makes a factor of 10"),
        pytest.param(quiet(959), None, id="and a little less explains it"),
        pytest.param(quiet(4), None, id="a layer that is all but silent"),
        pytest.param(quiet(4, last=0.01), "warning", id="more than that explains"),
        pytest.param(quiet(0), "warning", id="no spike recently, and a gradient from before: not known"),
    ],
)
def test_the_factor_due_to_a_quiet_layer_is_taken_off(observations, severity) -> None:
    assert severity_of(ExplodingGradient(), observations, "fc1.weight") == severity


FROM_BACKWARD, FROM_STDP = GradientAtStepReading(20, 0, 0), GradientAtStepReading(20, 0, 20)


def two(other: tuple[str, float], *, at_step=FROM_BACKWARD, lost=None, **more: float):
    """Gradients of 3000 at fc1.weight and of another norm behind it."""
    norms = {"fc1.weight": 3000.0, **more, other[0]: other[1]}
    places = {name: [parameter(), gradient(mean_norm=norm), FROM_BACKWARD] for name, norm in norms.items()}
    places["fc1.weight"][-1] = at_step
    return observe(places | ({} if lost is None else {"loss": [lost]}))


LAST, FAR = ("fc2.weight", 1.0), ("fc2.weight", 0.01)
WEIGHT = {"fc2.weight": 2000.0}


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(two(LAST), "warning", id="as the backward pass left them"),
        pytest.param(two(LAST, at_step=FROM_STDP), None, id="STDP puts another in its place"),
        pytest.param(two(("fc2.positions", 1.0), **WEIGHT), None, id="positions of delays"),
        pytest.param(two(("fc2.mixing", 1.0)), "warning", id="a module without a weight"),
        pytest.param(two(LAST, lost=loss(first=2.5, recent_mean=0.9)), "note", id="it learns all the same"),
        pytest.param(two(LAST, lost=loss(first=3.1, recent_mean=2.3)), "note", id="it learns a little"),
        pytest.param(two(FAR, lost=loss(first=3.1, recent_mean=2.3)), "warning", id="too little for a factor of 3e5"),
        pytest.param(two(FAR, lost=loss(first=2.5, recent_mean=0.9)), "note", id="it learns much all the same"),
        pytest.param(two(LAST, lost=loss(first=9.0, recent_mean=3.0)), "warning", id="the loss fell to chance"),
    ],
)
def test_only_gradients_of_one_kind_are_compared(observations, severity) -> None:
    assert severity_of(ExplodingGradient(), observations, "fc1.weight") == severity


def test_the_fix_sets_the_surrogate_gradient_of_every_spiking_layer() -> None:
    """A module with weights has none."""
    places = {
        "fc1.weight": [parameter(), gradient(mean_norm=3000.0)],
        "lif1": [spikes()],
        "fc2.weight": [parameter(), gradient(mean_norm=1.0)],
        "lif2": [spikes()],
    }
    of_snntorch = {name: {"framework": "snntorch"} for name in places}
    [finding] = findings(ExplodingGradient(), observe(places, sites=of_snntorch), "fc1.weight")
    [fix] = finding.fixes
    assert [line.partition(" = ")[0] for line in fix.code.splitlines() if " = " in line] == [
        "model.lif1.spike_grad",
        "model.lif2.spike_grad",
    ]
