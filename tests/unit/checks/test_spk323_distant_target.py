"""SPK323 distant-target: a table of numbers, no model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spikecheck.checks.spk323_distant_target import DistantTarget
from spikecheck.readings import RegressionTargetReading
from tests.unit.checks.build import findings, loss, observe, severity_of, spikes

MEAN, VARIANCE = 150.0, 6400.0


def net(
    at_first: tuple[float, float] = (-1.0, 1.0),
    now: tuple[float, float] = (-1.0, 30.0),
    level: float = 20_000.0,
    updates: int = 150,
    function: str = "mse_loss",
):
    """A regression of targets from 25 to 346."""
    reading = RegressionTargetReading(
        20, 640, 25.0, 346.0, *now, output_values=(), target_mean=MEAN, target_variance=VARIANCE
    )
    first = replace(reading, output_minimum=at_first[0], output_maximum=at_first[1])
    lost = loss(
        function=function, classes=None, plain_mean=True, recent_mean=level, recent_deviation=1.0, updates=updates
    )
    return observe({"loss": [reading, lost]}, first={"loss": [first, lost]})


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(), "warning", id="outputs on their way"),
        pytest.param(net(at_first=(-7.1, 7.1)), "warning", id="ten times as far away as they are apart"),
        pytest.param(net(at_first=(-7.2, 7.2)), None, id="not quite"),
        pytest.param(net(at_first=(0.0, 0.0)), None, id="outputs that are all alike, as of a silent layer"),
        pytest.param(net(at_first=(399.0, 400.0), now=(200.0, 400.0)), "warning", id="from above"),
        pytest.param(net(now=(-1.0, 151.0)), None, id="some outputs are there"),
        pytest.param(net(level=6000.0), None, id="better than the mean of the targets"),
        pytest.param(net(updates=63), None, id="too early"),
        pytest.param(net(updates=64), "warning", id="early enough"),
        pytest.param(net(function="l1_loss"), None, id="a loss whose guess is not known"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(DistantTarget(), observations, "loss") == severity


@pytest.mark.parametrize(
    ("neurons", "severity"), [(35, None), (34, "warning")], ids=["a population that can", "one that cannot"]
)
def test_targets_that_spike_counts_can_reach_are_not_far_away(neurons: int, severity: str | None) -> None:
    """Ten time steps, and the highest target is 346."""
    first = RegressionTargetReading(
        20, 640, 25.0, 346.0, 0.0, 3.0, (0.0, 1.0, 3.0), target_mean=MEAN, target_variance=VARIANCE, outputs=2
    )
    lost = loss(function="mse_loss", classes=None, recent_mean=20_000.0, recent_deviation=1.0, updates=150)
    layer = spikes(neurons=2 * neurons, time_steps=200)
    observations = observe({"lif1": [layer], "loss": [first, lost]}, first={"loss": [first, lost]})
    assert severity_of(DistantTarget(), observations, "loss") == severity


def test_it_gives_the_scale_of_both() -> None:
    (finding,) = findings(DistantTarget(), net(), "loss")
    assert finding.message == "targets average 150 ± 80, and the outputs are from -1 to 30"
    assert "from -1 to 1 at first" in finding.observed.text
