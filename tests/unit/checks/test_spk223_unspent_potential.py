"""SPK223 unspent-potential: a table of numbers, and a ReLU network that is converted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sinabs.activation as sa
import sinabs.layers as sl
import torch
from torch import nn

import spikecheck
from spikecheck.checks.spk223_unspent_potential import UnspentPotential
from spikecheck.readings import PotentialReading
from tests.unit.checks.build import FINITE, NEURON, findings, observe, run, severity_of, spikes, state

EVALUATION = run(backward_passes=0, without_gradients=True)
INTEGRATOR = {"neuron": replace(NEURON, decay=1.0)}  # it has no leak
NEURONS, SAMPLES, STEPS = spikes().neurons, spikes().samples, spikes().time_steps // spikes().forward_passes


def layer(spent: float, final: float, **changed) -> list:
    """Return the readings of a layer by what a neuron's spikes and its potential hold at the end, in thresholds."""
    potential = PotentialReading(maximum=2 * final, non_finite=FINITE, final=final)
    return [spikes(count=spent * SAMPLES * NEURONS, **changed), potential]


def judged(readings, neuron=INTEGRATOR, of=EVALUATION) -> str | None:
    return severity_of(UnspentPotential(), observe({"lif1": readings}, sites={"lif1": neuron}, run=of), "lif1")


@pytest.mark.parametrize(
    ("readings", "severity"),
    [
        pytest.param(layer(12.0, 28.0), "warning", id="weights that were not normalized"),
        pytest.param(layer(2.0, 2.0), "warning", id="exactly at both limits"),
        pytest.param(layer(1.9, 1.9), "note", id="potentials that may hold a last spike"),
        pytest.param(layer(2.1, 2.0), None, id="most of the input is spent"),
        pytest.param(layer(0.03, 0.18), "note", id="too few time steps"),
        pytest.param(layer(0.5, 0.4), None, id="enough time steps"),
        pytest.param(layer(0.0, 0.0), None, id="no input"),
        pytest.param(layer(12.0, 28.0, maximum=3.0), "note", id="several spikes per time step"),
        pytest.param(layer(12.0, 28.0, samples=15), None, id="few samples"),
        pytest.param([*layer(12.0, 28.0), state(carried_sequences=1)], None, id="the state of the batch before"),
    ],
)
def test_judge(readings, severity) -> None:
    assert judged(readings) == severity


@pytest.mark.parametrize("changed", [{"decay": 0.99}, {"reset": "zero"}, {"tau_syn": 5.0}, {"v_threshold": None}])
def test_a_neuron_that_does_not_spend_its_input_one_for_one_is_left_out(changed) -> None:
    assert judged(layer(12.0, 28.0), {"neuron": replace(INTEGRATOR["neuron"], **changed)}) is None


@pytest.mark.parametrize("observed", [{"backward_passes": 1}, {"without_gradients": False}])
def test_a_network_that_trains_adapts_to_its_neurons(observed) -> None:
    of = run(**{"backward_passes": 0, "without_gradients": True, **observed})
    assert judged(layer(12.0, 28.0), of=of) is None


def test_only_the_first_layer_is_named_and_what_overflows_comes_before_what_is_short() -> None:
    places = {"lif1": layer(0.03, 0.18), "lif2": layer(12.0, 28.0), "lif3": layer(12.0, 28.0)}
    observations = observe(places, sites=dict.fromkeys(places, INTEGRATOR), run=EVALUATION)
    assert [len(findings(UnspentPotential(), observations, name)) for name in places] == [0, 1, 0]


def test_the_fix_says_how_many_time_steps_would_do() -> None:
    observations = observe({"lif1": layer(0.03, 0.18)}, sites={"lif1": INTEGRATOR}, run=EVALUATION)
    (finding,) = findings(UnspentPotential(), observations, "lif1")
    per_step = (0.03 + 0.18) / STEPS
    steps = int(finding.fix.rpartition("= ")[2])
    assert 0.18 / (steps * per_step) == pytest.approx(0.1, rel=0.05)


class Converted(nn.Module):
    """A ReLU network as a spiking one."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.fc2, self.fc3 = nn.Linear(20, 40), nn.Linear(40, 40), nn.Linear(40, 4)
        self.if1, self.if2 = sl.IAF(spike_fn=sa.SingleSpike), sl.IAF(spike_fn=sa.SingleSpike)
        with torch.no_grad():
            self.fc1.weight.mul_(scale)

    def forward(self, x):
        self.if1.reset_states()
        self.if2.reset_states()
        return self.fc3(self.if2(self.fc2(self.if1(self.fc1(x))))).mean(1)


def watched(model: Converted) -> spikecheck.Report:
    with spikecheck.attach(model) as monitor, torch.no_grad():
        model(torch.rand(64, 1, 20).expand(-1, 50, -1))
    return monitor.report()


@pytest.mark.parametrize(("scale", "expected"), [(20.0, True), (1.0, False)])
def test_a_converted_network(scale, expected) -> None:
    assert ("SPK223" in {finding.check for finding in watched(Converted(scale)).findings}) is expected


def test_the_fix_lets_the_neurons_spend_their_input() -> None:
    model = Converted(20.0)
    (finding,) = [one for one in watched(model).findings if one.check == "SPK223"]
    finding.fixes[0].apply(model)
    assert "SPK223" not in {one.check for one in watched(model).findings}
