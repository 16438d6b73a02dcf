"""SPK226 late-spikes: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk226_late_spikes import LateSpikes
from spikecheck.site import SpikeArgument
from tests.unit.checks.build import findings, flow, loss, observe, severity_of, spikes

PASSES = 20


def net(*late: bool, steps: int = 4, level: float = 3.0, losses: int = 200):
    """Layers one after the other, each of which answers a time step late or at once."""
    shown = spikes(forward_passes=PASSES, time_steps=PASSES * steps)
    layers = {
        f"lif{n}": [shown, flow(argument=SpikeArgument(0.9, 4.0, 0.5, is_late=one))] for n, one in enumerate(late)
    }
    lost = loss(first=3.0, recent_mean=level, recent_deviation=0.0, recent_slope=0.0, updates=losses)
    return observe({**layers, "loss": [lost]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(True, True, True, True), "error", id="four layers, four time steps"),
        pytest.param(net(True, True, True, True, steps=5), None, id="one step more"),
        pytest.param(net(True, True, True, False), None, id="the last layer answers at once"),
        pytest.param(net(False, True, True, True), None, id="the first one does"),
        pytest.param(net(True, steps=1), None, id="a single time step: another check's"),
        pytest.param(net(True, True, True, True, level=1.0), None, id="it learns, so the layers are in parallel"),
        pytest.param(net(True, True, True, True, losses=63), None, id="too early"),
        pytest.param(observe({"lif3": [spikes(), flow()], "loss": [loss()]}), None, id="layers of a library"),
    ],
)
def test_judge(observations, severity) -> None:
    first = min(site.name for site in observations.sites if site.name.startswith("lif"))
    assert severity_of(LateSpikes(), observations, first) == severity


def test_the_layers_after_the_first_are_left_alone() -> None:
    assert findings(LateSpikes(), net(True, True, True, True), "lif1") == []


def test_it_counts_layers_and_time_steps() -> None:
    (finding,) = findings(LateSpikes(), net(True, True, True, True), "lif0")
    assert finding.message == "from lif0 on, 4 layers answer a step late, so no input passes them in 4 time steps"
