"""SPK210 missing-reset: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk210_missing_reset import MissingReset
from spikecheck.site import Moment, SpikeArgument
from spikecheck.state_readings import StepLawReading
from tests.unit.checks.build import (
    drive,
    findings,
    flow,
    modules,
    neuron,
    observe,
    parameter,
    severity_of,
    spikes,
)


def layer(flows=None, count=20_480.0, consecutive_products=0.0, output=True, **known):
    """A layer whose input can drive at most 0.275 spikes per step; the last one, or followed by another."""
    places = {"lif1": [spikes(count=count, consecutive_products=consecutive_products), drive(), flows or flow()]}
    after = {} if output else {"lif2": [spikes()]}
    return modules(observe(places | after, sites={"lif1": {"neuron": neuron(**known)}}))


def hidden(flows=None, consecutive_products=20_480 * 0.75, reset="none"):
    """A layer before another one, of 20,480 spikes; with a leak."""
    return layer(flows, consecutive_products=consecutive_products, output=False, reset=reset)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(layer(), None, id="ordinary"),
        pytest.param(layer(count=4.1e5 * 0.28, reset=None), "warning", id="more spikes than its input can drive"),
        pytest.param(layer(count=4.1e5 * 0.27, reset=None), None, id="as many spikes as its input can drive"),
        pytest.param(layer(count=4.1e5 * 0.28), None, id="a declared reset"),
        pytest.param(layer(count=4.1e5 * 0.28, reset=None, lowest_threshold=0.9), None, id="a threshold per neuron"),
        pytest.param(layer(reset="none", decay=1.0), "warning", id="no reset, no leak"),
        pytest.param(layer(reset="none"), None, id="no reset, but a leak"),
        pytest.param(hidden(), "warning", id="no reset, and it keeps firing"),
        pytest.param(hidden(consecutive_products=20_480 * 0.74), None, id="no reset, and it stops soon"),
        pytest.param(hidden(reset="subtract"), None, id="a strong drive, and a reset"),
        pytest.param(hidden(flow(spikes_receive_gradient=None)), "note", id="keeps firing, before a backward pass"),
        pytest.param(
            hidden(flow(spikes_receive_gradient=False)), None, id="keeps firing, and only its potential is read"
        ),
        pytest.param(layer(consecutive_products=20_480.0, reset="none"), None, id="an output that keeps firing"),
        pytest.param(
            layer(flow(spikes_receive_gradient=None), reset="none", decay=1.0), "note", id="before a backward pass"
        ),
        pytest.param(
            layer(flow(spikes_receive_gradient=False), reset="none", decay=1.0), None, id="only its potential is read"
        ),
        pytest.param(layer(count=4.1e5 * 0.28, reset=None, tau_syn=2.0), None, id="the synapse spreads each input"),
        pytest.param(layer(count=4.1e5 * 0.28, reset=None, tau_syn=-1e-3), None, id="a time constant learned below 0"),
        pytest.param(layer(count=4.1e5, reset=None, accumulates=True), None, id="an input that adds up in the layer"),
        pytest.param(layer(count=4.1e5, reset=None, decay=1.6), None, id="a decay out of range"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(MissingReset(), observations, "lif1") == severity


@pytest.mark.parametrize(
    ("weight", "severity"),
    [
        pytest.param(parameter(scale=1.0, elements=64 * 64, fan_in=64), None, id="recurrent: it may drive the spikes"),
        pytest.param(parameter(scale=0.001, elements=64 * 64, fan_in=64), "warning", id="recurrent, and tiny"),
        pytest.param(
            parameter(scale=1.0, elements=64 * 30, fan_in=30), "warning", id="inside the layer, and not recurrent"
        ),
    ],
)
def test_a_recurrent_weight_inside_the_layer_can_drive_spikes_as_well(weight, severity) -> None:
    places = {"lif1": [spikes(count=4.1e5 * 0.28), drive()], "lif1.rec.weight": [weight]}
    observations = modules(observe(places, sites={"lif1": {"neuron": neuron(reset=None)}}))
    assert severity_of(MissingReset(), observations, "lif1") == severity


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        pytest.param({"fed_by": "lif1.rec"}, "warning", id="of its size, and feeds it"),
        pytest.param({"fed_by": "lif1.rec", "framework": "torch"}, None, id="hand-written: it may add other currents"),
        pytest.param({"fed_by": "fc", "framework": "torch"}, None, id="recurrent"),
    ],
)
def test_what_feeds_a_layer_inside_is_no_recurrent_weight(facts, severity) -> None:
    weight = parameter(scale=1.0, elements=64 * 64, fan_in=64)
    places = {"lif1": [spikes(count=4.1e5 * 0.28), drive()], "lif1.rec.weight": [weight]}
    observations = modules(observe(places, sites={"lif1": {"neuron": neuron(reset=None), **facts}}))
    assert severity_of(MissingReset(), observations, "lif1") == severity


def reset_by(jump, decay=0.9, flows=None, **changed):
    """A hand-written layer, of which it was measured what a spike does to its potential."""
    law = StepLawReading(20, 20, decay, **{"spike_passes": 3, "jump": jump, **changed})
    places = {"lif1": [spikes(), drive(), flows or flow(), law]}
    return modules(observe(places, sites={"lif1": {"framework": "torch", "neuron": neuron(reset=None)}}))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(reset_by(-1.0), None, id="it is lowered"),
        pytest.param(reset_by(0.0), None, id="it stays, which the firing rate would tell"),
        pytest.param(reset_by(0.01), "warning", id="at the limit"),
        pytest.param(reset_by(0.009), None, id="just below it"),
        pytest.param(reset_by(1.0, spike_passes=2), None, id="in too few forward passes"),
        pytest.param(reset_by(None, spike_passes=0), None, id="no neuron spiked"),
        pytest.param(reset_by(1.0, flows=flow(spikes_receive_gradient=False)), None, id="only its potential is read"),
    ],
)
def test_a_spike_that_raises_the_potential(observations, severity) -> None:
    assert severity_of(MissingReset(), observations, "lif1") == severity


@pytest.mark.parametrize(
    ("decay", "does"),
    [
        (0.9, "raises its potential by 1.5 with each spike, which a reset should lower"),
        (0.0, "is reset where it does not spike, and keeps its potential where it does"),
    ],
)
def test_an_inverted_reset_is_named(decay, does) -> None:
    [finding] = findings(MissingReset(), reset_by(1.5, decay), "lif1")
    assert (finding.message, finding.when) == (f"lif1 {does}", Moment(0))


@pytest.mark.parametrize(
    ("jump", "decay", "used", "severity"),
    [
        pytest.param(1.0, 0.9, True, "warning", id="each spike adds a threshold"),
        pytest.param(-1.0, 0.9, True, None, id="each spike subtracts it"),
        pytest.param(None, 0.9, True, None, id="not known"),
        pytest.param(1.0, None, True, None, id="nothing shows that one value continues the other"),
        pytest.param(1.0, 0.9, False, None, id="only the potential is read out"),
    ],
)
def test_a_reset_that_is_added_shows_at_the_threshold(jump, decay, used, severity) -> None:
    argument = SpikeArgument(rms=1.0, maximum=3.0, threshold=0.0, jump=jump)
    observations = layer(flow(argument=argument, decay=decay, spikes_receive_gradient=used))
    assert severity_of(MissingReset(), observations, "lif1") == severity
