"""SPK311 unreachable-target: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk311_unreachable_target import UnreachableTarget
from spikecheck.readings import RegressionTargetReading
from tests.unit.checks.build import findings, loss, observe, run, severity_of, spikes

COUNTS = (0.0, 1.0, 2.0, 5.0)
RATES = (0.0, 0.05, 0.1, 0.45)
RATES_OF_EIGHT = (0.0, 0.00625, 0.0125, 0.4)
POTENTIALS = (0.013, 0.2, 0.71)
BY_STEPS = run(forward_passes=200, called_per_time_step=True)  # ten calls of the model for one backward pass


def net(highest: float, outputs: tuple[float, ...], layer=None, of_run=None, lowest: float = 0.0, width: int = 0):
    regression_target = RegressionTargetReading(
        20, 6400, lowest, highest, min(outputs), max(outputs), outputs, outputs=width
    )
    return observe({"lif1": [layer or spikes()], "loss": [regression_target]}, run=of_run or run())


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(12.0, COUNTS), None, id="12 spikes in 20 steps"),
        pytest.param(net(60.0, COUNTS), "warning", id="60 spikes in 20 steps"),
        pytest.param(net(20.0, COUNTS), None, id="a spike in every step"),
        pytest.param(net(20.5, COUNTS), "warning", id="just above it"),
        pytest.param(net(1.0, RATES), None, id="a rate of 1"),
        pytest.param(net(12.0, RATES), "warning", id="counts as targets of rates"),
        pytest.param(net(5.0, RATES_OF_EIGHT), "warning", id="the mean rate of eight neurons each"),
        pytest.param(net(1.0, RATES, lowest=-1.0), "warning", id="targets that are standardized"),
        pytest.param(net(1.0, RATES, lowest=-0.1), None, id="slightly below 0, to keep the wrong outputs silent"),
        pytest.param(net(1.0, POTENTIALS, lowest=-1.0), None, id="potentials can be negative"),
        pytest.param(net(60.0, POTENTIALS), None, id="potentials have no upper bound"),
        pytest.param(net(60.0, (-1.0, 0.0, 1.0)), None, id="differences of counts have none either"),
        pytest.param(net(60.0, (0.0, 1.0)), None, id="spikes, counts or rates: not known"),
        pytest.param(net(60.0, COUNTS, spikes(maximum=5.0)), None, id="a neuron may spike five times in a step"),
        pytest.param(net(60.0, COUNTS, spikes(time_steps=20), BY_STEPS), "warning", id="more than ten calls can give"),
        pytest.param(net(9.0, COUNTS, spikes(time_steps=20), BY_STEPS), None, id="ten calls can"),
        pytest.param(net(60.0, COUNTS, spikes(non_integer=3)), None, id="graded spikes"),
        pytest.param(net(60.0, (0.0, 1.0, 200.0)), None, id="more than the layer can have counted"),
        pytest.param(net(640.0, COUNTS, width=2), None, id="the sum over a population of 32 neurons"),
        pytest.param(net(640.5, COUNTS, width=2), "warning", id="more than 32 neurons can give"),
        pytest.param(net(20.5, COUNTS, width=64), "warning", id="an output for each neuron"),
        pytest.param(net(20.5, COUNTS, width=7), "warning", id="no equal groups"),
        pytest.param(net(32.0, RATES, width=2), None, id="the summed rates of 32 neurons"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(UnreachableTarget(), observations, "loss") == severity


@pytest.mark.parametrize(
    ("targets_per_sample", "severity"),
    [
        pytest.param(64, "warning", id="the counts of all neurons, flattened"),
        pytest.param(1, None, id="the sum over all neurons"),
    ],
)
def test_one_axis_may_hold_the_outputs_of_all_neurons(targets_per_sample, severity) -> None:
    updates, batch = 20, 16
    targets = RegressionTargetReading(
        updates, updates * batch * targets_per_sample, 0.0, 60.0, 0.0, 5.0, COUNTS, outputs=1
    )
    observations = observe({"lif1": [spikes(samples=updates * batch)], "loss": [targets]})
    assert severity_of(UnreachableTarget(), observations, "loss") == severity


def test_the_message_gives_the_highest_target_and_the_highest_output() -> None:
    (finding,) = findings(UnreachableTarget(), net(60.0, COUNTS), "loss")
    assert finding.message == "targets go from 0 to 60, but spikes of 20 time steps give 0 to 20"


def test_the_message_counts_the_neurons_of_a_population() -> None:
    (finding,) = findings(UnreachableTarget(), net(700.0, COUNTS, width=2), "loss")
    assert finding.message == "targets go from 0 to 700, but spikes of 32 neurons in 20 time steps give 0 to 640"


def test_targets_of_another_shape_are_left_to_the_check_of_shapes() -> None:
    numbers = RegressionTargetReading(20, 6400, 0.0, 9.0, 0.0, 0.45, RATES)
    broadcast = loss(function="mse_loss", broadcast_shapes=((32, 10), (32, 1)))
    assert severity_of(UnreachableTarget(), observe({"lif1": [spikes()], "loss": [numbers]}), "loss") == "warning"
    assert severity_of(UnreachableTarget(), observe({"lif1": [spikes()], "loss": [numbers, broadcast]}), "loss") is None
