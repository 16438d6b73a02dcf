"""SPK106 swapped-axes: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk106_swapped_axes import SwappedAxes
from spikecheck.readings import RegressionTargetReading
from spikecheck.site import NeighborCorrelation
from tests.unit.checks.build import (
    drive,
    findings,
    inputs,
    logits,
    loss,
    neuron,
    observe,
    run,
    severity_of,
    spikes,
    targets,
)


def layer(ran=None, batches=16, targets_read=None, current=None, **changed):
    """The first layer's spikes, 16 targets in each of 20 updates, and so many different batches."""
    read = [spikes(**{"step_variance_share": 0.96, "sample_variance_share": 0.0, **changed}), current or drive()]
    labels = targets(samples=320, updates=20) if targets_read is None else targets_read
    return observe(
        {"input": [inputs(distinct_batches=batches)], "lif1": read, "loss": [loss(), labels]}, run=ran or run()
    )


def compared(steps, samples, forward_passes=20):
    """The current into the layer, by (near, far, error) along either axis."""
    return drive(
        forward_passes=forward_passes,
        step_correlation=NeighborCorrelation(*steps),
        sample_correlation=NeighborCorrelation(*samples),
    )


REGRESSION = RegressionTargetReading(20, 320, 0.0, 1.0, 0.0, 1.0, (0.0, 1.0), distinct_batches=1)
EXPLAINED = {"sample_variance_share": 0.95, "step_variance_share": 0.26}
ALONG_TIME, AT_RANDOM = (0.13, 0.0, 0.002), (0.01, 0.01, 0.002)
SORTED = (0.2, 0.1, 0.002)  # samples class by class


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(layer(), None, id="time steps differ, samples do not"),
        pytest.param(layer(**EXPLAINED), "warning", id="the position of a sample explains its activity"),
        pytest.param(layer(sample_variance_share=0.5, step_variance_share=0.1), "warning", id="exactly at the limit"),
        pytest.param(layer(sample_variance_share=0.49, step_variance_share=0.1), None, id="just below the limit"),
        pytest.param(
            layer(sample_variance_share=1.0, step_variance_share=1.0),
            None,
            id="positions of samples and of time steps explain everything",
        ),
        pytest.param(layer(batches=1, **EXPLAINED), None, id="one batch repeated"),
        pytest.param(layer(batches=15, **EXPLAINED), None, id="too few batches in rotation"),
        pytest.param(
            layer(targets_read=targets(distinct_batches=1), **EXPLAINED), None, id="one batch, encoded again each time"
        ),
        pytest.param(layer(targets_read=REGRESSION, **EXPLAINED), None, id="one batch of numbers, encoded again"),
        pytest.param(layer(targets_read=logits(), **EXPLAINED), "warning", id="a loss without visible targets"),
        pytest.param(layer(samples=60, **EXPLAINED), "warning", id="three samples per batch"),
        pytest.param(layer(samples=40, **EXPLAINED), None, id="two samples per batch: by chance in 1.5% of runs"),
        pytest.param(layer(forward_passes=15, **EXPLAINED), None, id="too few forward passes"),
        pytest.param(layer(current=compared(ALONG_TIME, AT_RANDOM)), None, id="neighboring time steps are alike"),
        pytest.param(layer(current=compared(AT_RANDOM, ALONG_TIME)), "warning", id="neighboring samples are alike"),
        pytest.param(
            layer(current=compared(AT_RANDOM, (0.05, 0.0, 0.002))),
            "warning",
            id="exactly at the limit of the correlation",
        ),
        pytest.param(layer(current=compared(AT_RANDOM, (0.049, 0.0, 0.002))), None, id="just below that limit"),
        pytest.param(layer(current=compared(AT_RANDOM, (0.13, 0.0, 0.03))), None, id="alike in some batches only"),
        pytest.param(layer(current=compared((0.5, 0.5, 0.01), SORTED)), None, id="sorted, and constant in time"),
        pytest.param(layer(current=compared(ALONG_TIME, SORTED)), None, id="sorted, and ordered in time"),
        pytest.param(layer(current=compared(AT_RANDOM, ALONG_TIME, 15)), None, id="alike, and too few forward passes"),
        pytest.param(layer(current=compared(AT_RANDOM, ALONG_TIME), batches=4), None, id="four batches in rotation"),
        pytest.param(
            layer(sample_variance_share=0.95, step_variance_share=0.2, time_axis_known=False),
            None,
            id="time axis unknown",
        ),
        pytest.param(layer(time_steps=320, samples=400), "warning", id="as many time steps as targets"),
        pytest.param(layer(targets_read=targets(updates=10), time_steps=320, samples=400), "warning", id="two calls"),
        pytest.param(
            layer(targets_read=targets(loss_calls=40), time_steps=320, samples=400),
            None,
            id="two batches add up to the steps",
        ),
        pytest.param(layer(time_steps=320, samples=320), None, id="equal sizes show nothing"),
        pytest.param(layer(time_steps=320, samples=20), None, id="one sample, and a target for each step"),
        pytest.param(
            layer(ran=run(forward_passes=40), time_steps=320, samples=400),
            None,
            id="several forward passes for one loss",
        ),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(SwappedAxes(), observations, "input") == severity


@pytest.mark.parametrize(
    ("steps", "rows", "severity"),
    [
        pytest.param(AT_RANDOM, ALONG_TIME, "warning", id="time steps are where a reshape puts them"),
        pytest.param(ALONG_TIME, ALONG_TIME, None, id="neighboring time steps are as alike"),
        pytest.param(AT_RANDOM, AT_RANDOM, None, id="nothing is alike"),
        pytest.param(AT_RANDOM, (0.13, 0.1, 0.002), None, id="the values beside are alike, too"),
    ],
)
def test_rows_that_a_reshape_mixed(steps, rows, severity) -> None:
    current = replace(compared(steps, AT_RANDOM), row_correlation=NeighborCorrelation(*rows))
    observations = layer(current=current)
    assert severity_of(SwappedAxes(), observations, "input") == severity
    for finding in findings(SwappedAxes(), observations, "input"):
        assert finding.message == "time and batch axes look mixed by a reshape at lif1"
        assert "x = x.transpose(0, 1)" in finding.fix


CUT = ("num_timesteps",)  # a layer that cuts [batch * time, ...]


@pytest.mark.parametrize(
    ("samples", "steps", "attributes", "message"),
    [
        pytest.param(1, 800, CUT, "time and batch axes look mixed by a batch size at lif1", id="one sample"),
        pytest.param(25, 32, CUT, "time and batch axes look mixed by a batch size at lif1", id="swapped"),
        pytest.param(32, 25, CUT, None, id="as many samples as targets"),
        pytest.param(64, 25, CUT, None, id="two views of each sample"),
        pytest.param(1, 32, CUT, None, id="a target per time step"),
        pytest.param(1, 800, (), None, id="a layer without a batch size"),
    ],
)
def test_a_batch_size_of_the_layer(samples, steps, attributes, message) -> None:
    passes = 20
    read = spikes(forward_passes=passes, samples=samples * passes, time_steps=steps * passes)
    labels = targets(samples=32 * passes, updates=passes, loss_calls=passes)
    own = {"neuron": neuron(attributes=attributes)}
    places = {"input": [inputs(distinct_batches=1)], "lif1": [read, drive()], "loss": [loss(), labels]}
    made = findings(SwappedAxes(), observe(places, sites={"lif1": own}), "input")
    assert [one.message for one in made] == ([] if message is None else [message])
    assert all("= 32, -1" in one.fix for one in made)


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        pytest.param((16, 50, 100), None, id="the first two axes, as in the library's own fix"),
        pytest.param((16, 100, 50), "x = x.transpose(0, 2)", id="time last"),
        pytest.param((100, 16, 50), "x = x.transpose(1, 2)", id="channels first"),
        pytest.param((16, 50, 50), None, id="two axes have the size"),
        pytest.param((16, 100), None, id="one time step per call"),
    ],
)
def test_the_fix_exchanges_the_axes_that_the_layer_takes_for_time_and_batch(shape, code) -> None:
    read = [spikes(time_steps=20 * 50, samples=20 * 16, forward_passes=20), drive()]
    places = {"input": [inputs(shape=shape)], "lif1": read, "loss": [loss(), targets(samples=20 * 50, updates=20)]}
    (finding,) = findings(SwappedAxes(), observe(places), "input")
    assert [(code or "x = x.transpose(0, 1)") in fix.code for fix in finding.fixes] == [True]
