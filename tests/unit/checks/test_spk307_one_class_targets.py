"""SPK307 one-class-targets: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk307_one_class_targets import OneClassTargets
from spikecheck.readings import RegressionTargetReading
from tests.unit.checks.build import inputs, loss, observe, run, severity_of, targets

SAME = {"classes": 20, "minimum": 3, "maximum": 3}


@pytest.mark.parametrize(
    ("labels", "of_run", "severity"),
    [
        pytest.param(targets(classes=20), run(), None, id="several classes"),
        pytest.param(targets(**SAME), run(), "error", id="always 3"),
        pytest.param(targets(**SAME, samples=63), run(), None, id="too few to say"),
        pytest.param(targets(**SAME, samples=64), run(), "error", id="just enough"),
        pytest.param(targets(**SAME, updates=19), run(live=True), None, id="during training, too early to say"),
        pytest.param(targets(**SAME), run(live=True), "error", id="during training, long enough"),
        pytest.param(targets(**SAME, out_of_range=320), run(), None, id="no class at all is SPK306's"),
        pytest.param(targets(classes=1, minimum=0, maximum=0), run(), None, id="a single output"),
    ],
)
def test_judge(labels, of_run, severity) -> None:
    assert severity_of(OneClassTargets(), observe({"loss": [loss(), labels]}, run=of_run), "loss") == severity


ONE_HOT = {"distinct_batches": 1, "target_mean": 0.1, "target_variance": 0.09, "uniform_batches": 20}


@pytest.mark.parametrize(
    ("changed", "reading", "severity"),
    [
        pytest.param({}, inputs(), "error", id="one-hot targets of one class"),
        pytest.param({"distinct_batches": 16}, inputs(), None, id="the targets change"),
        pytest.param({"uniform_batches": 0}, inputs(), None, id="samples of a batch differ"),
        pytest.param({"target_mean": 0.3, "target_variance": 0.21}, inputs(), None, id="a pattern of spikes"),
        pytest.param({}, inputs(distinct_batches=1), None, id="one batch, again and again"),
    ],
)
def test_one_hot_targets_of_a_squared_error(changed, reading, severity) -> None:
    read = RegressionTargetReading(20, 6400, 0.0, 1.0, 0.0, 1.0, (0.0, 0.1, 0.2), **{**ONE_HOT, **changed})
    observations = observe({"input": [reading], "loss": [loss(function="mse_loss", classes=None), read]})
    assert severity_of(OneClassTargets(), observations, "loss") == severity
