"""SPK421 constant-weight: a table of numbers, no model."""

from __future__ import annotations

import pytest

from spikecheck.checks.spk421_constant_weight import ConstantWeight
from tests.unit.checks.build import findings, loss, observe, run, severity_of

LIMIT = ConstantWeight.limits()["min_losses_in_training"][0]


def net(*names: str, level: float = 3.0, losses: int = 200, live: bool = False):
    lost = loss(first=3.0, recent_mean=level, recent_deviation=0.0, recent_slope=0.0, updates=losses)
    reading = run(update=losses, constant_weights=names, live=live)
    return observe({"the run": [reading], "loss": [lost]}, run=reading)


@pytest.mark.parametrize(
    ("observations", "severity"),
    [
        pytest.param(net("w_rec"), "warning", id="a plain tensor, and nothing is learned"),
        pytest.param(net("w_rec", level=1.5), None, id="a reservoir in a network that learns"),
        pytest.param(net(), None, id="parameters only"),
        pytest.param(net("w_rec", losses=63), None, id="too early"),
        pytest.param(net("w_rec", losses=LIMIT - 1, live=True), None, id="training may still begin to learn"),
        pytest.param(net("w_rec", losses=LIMIT, live=True), "warning", id="not any more"),
    ],
)
def test_judge(observations, severity) -> None:
    assert severity_of(ConstantWeight(), observations, "the run") == severity


def test_the_fix_makes_parameters_of_all_of_them() -> None:
    (finding,) = findings(ConstantWeight(), net("cell.w_rec", "w_out"), "the run")
    assert finding.message == "cell.w_rec, w_out kept random values in 200 updates: a plain tensor is no parameter"
    assert "self.w_rec = torch.nn.Parameter(self.w_rec)\nself.w_out = torch.nn.Parameter(self.w_out)" in finding.fix
