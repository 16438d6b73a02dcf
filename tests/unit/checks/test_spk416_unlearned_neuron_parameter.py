"""SPK416 unlearned-neuron-parameter: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk416_unlearned_neuron_parameter import UnlearnedNeuronParameter, is_neuron_parameter
from spikecheck.site import IdleOptimizer
from tests.unit.checks.build import (
    NEURON,
    findings,
    flow,
    gradient,
    observe,
    parameter,
    run,
    severity_of,
    spikes,
    update,
)

LIMIT = UnlearnedNeuronParameter.limits()["min_updates"][0]
MISSING = gradient(updates=LIMIT, missing_updates=LIMIT, mean_norm=0.0, dimensions=0)
PRESENT = gradient(updates=LIMIT, dimensions=0)
DEFAULT = replace(NEURON, learnable_by_default=True, without_gradient=("spike_threshold",))
SCALAR = parameter(elements=1, dimensions=0, fan_in=1)


def observed(name, *readings, layer="lif1", neurons=NEURON, gradient_to_spikes=True, **changed):
    places = {
        "fc1.weight": [gradient(), update(), parameter()],
        layer: [spikes(), flow(spikes_receive_gradient=gradient_to_spikes)],
        name: [SCALAR, *readings],
    }
    sites = {layer: {"neuron": neurons}}
    return observe(places, sites=sites, run=run(**{"update": LIMIT, **changed}))


@pytest.mark.parametrize(
    ("observations", "name", "severity"),
    [
        pytest.param(observed("lif1.beta", PRESENT), "lif1.beta", "warning", id="in no optimizer"),
        pytest.param(observed("lif1.beta", PRESENT, update=LIMIT - 1), "lif1.beta", None, id="just below the limit"),
        pytest.param(observed("lif1.beta", PRESENT, update()), "lif1.beta", None, id="learned"),
        pytest.param(
            observed("lif1.beta", PRESENT, idle_optimizers=(IdleOptimizer("SGD", ("lif1.beta",)),)),
            "lif1.beta",
            None,
            id="in an optimizer that steps rarely",
        ),
        pytest.param(
            observed("lif1.beta", PRESENT, update=64, idle_optimizers=(IdleOptimizer("SGD", ("lif1.beta",)),)),
            "lif1.beta",
            "warning",
            id="in an optimizer that never steps",
        ),
        pytest.param(
            observed("lif1.tau_mem", PRESENT, neurons=DEFAULT), "lif1.tau_mem", "note", id="learnable by default"
        ),
        pytest.param(observed("v_th1", MISSING, update()), "v_th1", "warning", id="cut off with item()"),
        pytest.param(observed("lif1.threshold", MISSING, update()), "lif1.threshold", "warning", id="no gradient"),
        pytest.param(
            observed("lif1.threshold", MISSING, update(), gradient_to_spikes=False),
            "lif1.threshold",
            None,
            id="only the potential is read out",
        ),
        pytest.param(
            observed("lif1.spike_threshold", MISSING, update(), neurons=DEFAULT),
            "lif1.spike_threshold",
            None,
            id="a library that computes no such gradient",
        ),
        pytest.param(observed("temperature", MISSING, update()), "temperature", None, id="another scalar"),
    ],
)
def test_judge(observations, name, severity) -> None:
    assert severity_of(UnlearnedNeuronParameter(), observations, name) == severity


@pytest.mark.parametrize("name", ["v_th1", "threshold", "net.thresh", "cell.beta", "tau_mem", "decay", "leak_2"])
def test_names_of_neuron_parameters(name: str) -> None:
    observations = observed(name, PRESENT)
    assert is_neuron_parameter(name, observations.readings(observations.sites[0]))


@pytest.mark.parametrize("name", ["fc.bias", "depth", "width", "other", "breath", "lif1.recurrent.bias", "lif1.bias"])
def test_names_of_other_parameters(name: str) -> None:
    observations = observed(name, PRESENT)
    assert not is_neuron_parameter(name, observations.readings(observations.sites[0]))


def test_what_the_library_makes_learnable_explains_no_plateau() -> None:
    [by_default] = findings(
        UnlearnedNeuronParameter(), observed("lif1.tau_mem", PRESENT, neurons=DEFAULT), "lif1.tau_mem"
    )
    [on_purpose] = findings(UnlearnedNeuronParameter(), observed("lif1.tau_mem", PRESENT), "lif1.tau_mem")
    assert (by_default.explains_others, on_purpose.explains_others) == (False, True)
