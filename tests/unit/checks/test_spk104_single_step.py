"""SPK104 single-step: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk104_single_step import SingleStep
from spikecheck.timelines import SpikeTimelineReading, TimeSteps
from tests.unit.checks.build import FINITE, findings, inputs, loss, observe, run, severity_of, spikes, state

LEARNED = loss(recent_mean=0.5, recent_deviation=0.05, updates=100)
NOTHING = loss(recent_mean=3.0, recent_slope=0.0, updates=100)
DISTANCE = loss(function="mse_loss", classes=None, plain_mean=False, first=3.0, recent_mean=2.9, recent_slope=0.0)
LATER = run(live=True, update=80)


def one(*more, time_steps=20, ran=None, library="snntorch", losses=(), **changed):
    """Two layers of one time step; the first has more readings."""
    read = spikes(time_steps=time_steps, forward_passes=20, **changed)
    sites = {name: {"framework": library} for name in ("lif1", "lif2")}
    places = {"input": [inputs(time_steps=1)], "lif1": [read, *more], "lif2": [read], "loss": losses}
    return observe(places, sites=sites, run=ran or run())


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(one(losses=[NOTHING]), "warning", id="one time step each, and nothing is learned"),
        pytest.param(one(), "note", id="nothing is known of the loss"),
        pytest.param(one(time_steps=400), None, id="several time steps"),
        pytest.param(one(state(carried_sequences=19)), None, id="state is carried to the next forward pass"),
        pytest.param(one(state(sequences=3), ran=run(live=True)), None, id="it may be carried from now on"),
        pytest.param(one(state(sequences=4), ran=run(live=True)), "note", id="it starts at 0, and may learn"),
        pytest.param(one(state(sequences=4), losses=[NOTHING], ran=LATER), "warning", id="it starts at 0 each time"),
        pytest.param(one(losses=[LEARNED]), "note", id="one step is enough"),
        pytest.param(one(losses=[LEARNED], count=0, active=0), "warning", id="one step is not enough to fire"),
        pytest.param(one(losses=[DISTANCE]), "note", id="a distance does not fall, for whatever reason"),
        pytest.param(one(ran=run(called_per_time_step=True)), None, id="the script loops over the time steps"),
        pytest.param(one(ran=run(backward_passes=0)), None, id="no backward pass yet"),
        pytest.param(one(library="torch", time_axis_known=False), None, id="hand-written, time axis unknown"),
        pytest.param(one(library="torch", losses=[NOTHING]), "warning", id="hand-written, time axis known"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(SingleStep(), observations, "input") == severity


@pytest.mark.parametrize(
    ("samples", "neurons", "severity"),
    [
        pytest.param(4, 16 * 64, "warning", id="[time, batch, neurons]"),
        pytest.param(16, 64, "note", id="[batch, neurons]"),
        pytest.param(64, 16 * 64, "note", id="four patches of each sample"),
    ],
)
def test_time_that_is_taken_for_the_batch_is_a_fault_whatever_is_learned(samples, neurons, severity) -> None:
    read = spikes(time_steps=20, forward_passes=20)
    places = {"input": [inputs(time_steps=1, shape=(16, 100))], "lif1": [read], "loss": [LEARNED]}
    first = {"lif1": [spikes(time_steps=1, forward_passes=1, samples=samples, neurons=neurons)]}
    (finding,) = findings(SingleStep(), observe(places, first=first), "input")
    assert finding.severity.label == severity
    assert ("an axis of 4 for the batch, but the input has 16 samples" in finding.expected.because) == (samples == 4)


def called_once(steps: TimeSteps, samples: int = 320, **changed):
    """A layer of functions that is called once per forward pass with 16 samples, and learns nothing."""
    read = spikes(time_steps=20, forward_passes=20, samples=samples, time_axis_known=False)
    timeline = SpikeTimelineReading((), FINITE, time_steps=steps)
    places = {"input": [inputs(time_steps=None, shape=(16, 100))], "lif1": [read, timeline], "loss": [NOTHING]}
    return observe(places, sites={"lif1": {"framework": "torch"}}, run=run(**changed))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(called_once(TimeSteps(1, 1)), "warning", id="[batch, neurons]"),
        pytest.param(called_once(TimeSteps(1, 1), samples=316), "warning", id="the last batch is smaller"),
        pytest.param(called_once(TimeSteps(1, 1), samples=5 * 320), None, id="[time * batch, neurons]"),
        pytest.param(called_once(TimeSteps(1, 1, known=False)), None, id="one of its axes may be time"),
        pytest.param(called_once(TimeSteps(1, 1), input_tensors=3), None, id="the model is given a state"),
        pytest.param(called_once(TimeSteps(1, 1), input_tensors=0), None, id="its parts are, maybe"),
    ],
)
def test_a_layer_of_functions_that_is_called_once_with_the_batch(observations, severity) -> None:
    assert severity_of(SingleStep(), observations, "input") == severity
