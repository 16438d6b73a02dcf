"""SPK322 summed-batch: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk322_summed_batch import SummedBatch
from tests.unit.checks.build import findings, loss, observe

LIMIT = SummedBatch.limits()["min_losses"][0]
STACK = (25, 25, 10)


@pytest.mark.parametrize(
    ("rows", "losses", "mean", "expected"),
    [
        pytest.param(STACK, 200, 3.0, True, id="the batch was added up"),
        pytest.param((), 200, 3.0, False, id="time was added up"),
        pytest.param(STACK, LIMIT, 3.0, True, id="at the limit"),
        pytest.param(STACK, LIMIT - 1, 3.0, False, id="too early"),
        pytest.param(STACK, 200, 0.4, False, id="a label per time step, which is learned"),
    ],
)
def test_judge(rows, losses, mean, expected) -> None:
    reading = loss(stacked_rows=rows, updates=losses, recent_mean=mean)
    made = findings(SummedBatch(), observe({"loss": [reading]}), "loss")
    assert bool(made) is expected
    for finding in made:
        assert "are 25 time steps" in finding.message
