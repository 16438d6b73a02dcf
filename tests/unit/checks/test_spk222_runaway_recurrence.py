"""SPK222 runaway-recurrence: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk222_runaway_recurrence import RunawayRecurrence
from tests.unit.checks.build import drive, findings, loss, neuron, observe, parameter, severity_of, spikes

ELEMENTS, NEURONS = 100_000, 64


def layer(rate: float, scale: float = 1.0, *, name: str = "rec.w_rec", elements: int = NEURONS**2, **known):
    shown = spikes(elements=ELEMENTS, count=rate * ELEMENTS, maximum=50.0)
    weight = parameter(scale=scale, elements=elements, fan_in=NEURONS)
    current = drive(rms=known.pop("rms", 0.5))
    return observe({"rec": [current, shown], name: [weight]}, sites={"rec": {"neuron": neuron(**known)}})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(layer(2000.0), "warning", id="activity that explodes"),
        pytest.param(layer(10.0), "warning", id="10 thresholds per step, 20 times the input"),
        pytest.param(layer(9.9), None, id="a little less"),
        pytest.param(layer(10.0, rms=1.1), None, id="the input is more than a tenth of that"),
        pytest.param(layer(10.0, v_threshold=1.1), None, id="a higher threshold"),
        pytest.param(layer(1.0, 4.9), None, id="binary spikes of a saturated layer"),
        pytest.param(layer(2000.0, 5.1), None, id="a scale that SPK406 reports"),
        pytest.param(layer(2000.0, elements=NEURONS * 10), None, id="inside, and not recurrent"),
        pytest.param(layer(2000.0, name="other.w_rec"), None, id="of another layer"),
        pytest.param(layer(2000.0, v_threshold=None), None, id="the threshold is not known"),
    ],
)
def test_judge(observations, severity) -> None:
    name = next(site.name for site in observations.sites if site.name.endswith("w_rec"))
    assert severity_of(RunawayRecurrence(), observations, name) == severity


def test_the_fix_counts_the_time_steps_for_which_a_spike_lasts() -> None:
    (finding,) = findings(RunawayRecurrence(), layer(2000.0, 2.0, tau_syn=10.0), "rec.w_rec")
    assert finding.message == "recurrent input to rec through rec.w_rec is 8,000x its input from outside"
    assert finding.fix.endswith("model.rec.w_rec.data.mul_(0.048)")  # 2.0 * 10.5 time steps


def one_to_one(weight: float | None, *, repeated: float = 0.97, level: float = 1.0, **known):
    shown = spikes(active=10_000, consecutive_products=repeated * 10_000)
    spec = neuron(decay=0.9, reset="subtract", self_weight=weight, self_weight_name="recurrent.V", **known)
    losses = loss(updates=80, recent_mean=level, recent_deviation=0.01)
    return observe({"rec": [shown], "loss": [losses]}, sites={"rec": {"neuron": spec}})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(one_to_one(3.0, level=2.9), "warning", id="a spike outweighs the reset and the leak"),
        pytest.param(one_to_one(1.11, level=2.9), "warning", id="just above what they take"),
        pytest.param(one_to_one(1.09, level=2.9), None, id="just below"),
        pytest.param(one_to_one(3.0, level=2.9, v_threshold=3.0), None, id="a higher threshold"),
        pytest.param(one_to_one(3.0, level=2.9, repeated=0.5), None, id="the neurons do stop"),
        pytest.param(one_to_one(3.0, level=0.3), "note", id="the network learns all the same"),
        pytest.param(one_to_one(None, level=2.9), None, id="no such weight"),
    ],
)
def test_a_neuron_that_feeds_itself(observations, severity) -> None:
    assert severity_of(RunawayRecurrence(), observations, "rec") == severity


def test_the_fix_sets_the_weight_of_the_layer() -> None:
    (finding,) = findings(RunawayRecurrence(), one_to_one(3.0, level=2.9), "rec")
    assert finding.message == "recurrent input to rec is 3 thresholds for each spike of the same neuron"
    assert finding.fix == "model.rec.recurrent.V.data.fill_(0.1)"
