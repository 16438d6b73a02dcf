"""SPK303 high-initial-loss: a table of numbers, no model."""

from __future__ import annotations

from math import log

import pytest

from spikecheck.checks.spk303_high_initial_loss import HighInitialLoss
from spikecheck.site import Moment
from tests.unit.checks.build import findings, loss, observe, run, severity_of


def net(first, update=200, **changed):
    return observe({"loss": [loss(first=first, **changed)]}, run=run(update=update))


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net(3.1), None, id="about ln 20"),
        pytest.param(net(7.8), None, id="the highest measured in a network that learns"),
        pytest.param(net(4 * log(20)), "warning", id="at the limit"),
        pytest.param(net(11.9), None, id="just below it"),
        pytest.param(net(16.2), "warning", id="counts in the input"),
        pytest.param(net(16.2, classes=1000), None, id="a thousand classes: 2.3 times ln 1000"),
        pytest.param(net(3.0, classes=2), "warning", id="two classes: 4.3 times ln 2"),
        pytest.param(net(16.2, update=201), None, id="a loss that was first seen after an update"),
        pytest.param(net(16.2, update=0, updates=1), "warning", id="before the first update"),
        pytest.param(net(16.2, update=50), "warning", id="several losses for one update"),
        pytest.param(net(16.2, plain_mean=False), None, id="the loss is a sum, or weighted"),
        pytest.param(net(16.2, classes=None), None, id="no classes"),
        pytest.param(net(16.2, classes=1), None, id="one class"),
        pytest.param(net(float("nan")), None, id="NaN is found by another check"),
        pytest.param(net(float("inf")), None, id="so is infinity"),
        pytest.param(net(None), None, id="no loss"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(HighInitialLoss(), observations, "loss") == severity


def test_the_first_loss_of_the_run_is_judged_and_dated() -> None:
    observations = observe({"loss": [loss(first=1.0)]}, all={"loss": [loss(first=119005.0)]}, run=run(update=200))
    [finding] = findings(HighInitialLoss(), observations, "loss")
    assert finding.message == "the first loss is 119,000; a uniform guess over 20 classes gives 3.00"
    assert finding.when == Moment(0)
    assert finding.excess == pytest.approx(4.0, abs=0.01)
