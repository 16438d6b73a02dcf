"""SPK324 reset-output: a table of numbers, and a layer that its fix is applied to."""

from __future__ import annotations

from typing import Any

import pytest
import snntorch as snn
import torch
from torch import nn

from spikecheck.checks.spk324_reset_output import ResetOutput
from spikecheck.readings import PotentialReading, RegressionTargetReading
from tests.unit.checks.build import FINITE, findings, flow, loss, neuron, observe, run, severity_of, spikes

STEPS, BATCH, VARIANCE = 30, 32, 1.0
OUTPUTS = STEPS * BATCH


def net(mean: float = 1.5, level: float = 0.4, rate: float = 0.5, used: bool = False, **changed: Any):
    """A regression of targets from 0 to 4 by the potential of one neuron."""
    highest, elements = changed.pop("highest_output", 2.777), changed.pop("elements", OUTPUTS)
    reading = RegressionTargetReading(
        1, elements, 0.0, 4.0, -1.0, highest, output_values=(), target_mean=mean, target_variance=VARIANCE
    )
    lost = loss(function=changed.pop("function", "mse_loss"), classes=None, recent_mean=level, recent_deviation=0.01)
    shape = {"forward_passes": 1, "time_steps": STEPS, "samples": BATCH, "neurons": 1, "elements": OUTPUTS}
    layer = [spikes(count=rate * OUTPUTS, **shape), PotentialReading(2.777, FINITE), flow(spikes_receive_gradient=used)]
    at_run = run(update=changed.pop("updates", 200))
    readings = {"loss": [reading, lost], "lif2": layer}
    known = {"neuron": neuron(**{"reset": "zero", **changed})}
    return observe(readings, first=readings, sites={"lif2": known}, run=at_run)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(), "warning", id="a reset to zero"),
        pytest.param(net(reset="subtract"), "warning", id="a reset by subtraction"),
        pytest.param(net(reset="none"), None, id="an integrator"),
        pytest.param(net(reset=None), None, id="a layer written by hand"),
        pytest.param(net(mean=1.0), None, id="targets around the threshold"),
        pytest.param(net(v_threshold=2.0), None, id="a threshold above most of them"),
        pytest.param(net(rate=0.19), None, id="a reset now and then"),
        pytest.param(net(level=0.1), None, id="it follows the targets"),
        pytest.param(net(function="l1_loss"), None, id="a loss whose guess is not known"),
        pytest.param(net(highest_output=2.7), None, id="a readout behind the potential"),
        pytest.param(net(elements=BATCH), None, id="the potential of the last time step alone"),
        pytest.param(net(used=True), None, id="its spikes are used"),
        pytest.param(net(updates=63), None, id="too early"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(ResetOutput(), observations, "loss") == severity


def test_it_names_the_neuron_and_turns_its_reset_off() -> None:
    (finding,) = findings(ResetOutput(), net(), "loss")
    assert finding.message == "targets average 1.5, and lif2, whose potential is the output, is reset at 1"
    model = nn.ModuleDict({"lif2": snn.Leaky(beta=1.0, reset_mechanism="zero")})
    exec(finding.fix.replace("model.lif2", 'model["lif2"]'), {"model": model})
    potential = torch.zeros(1)
    for step in range(1, 5):
        _, potential = model["lif2"](torch.ones(1), potential)
        assert potential.item() == step
