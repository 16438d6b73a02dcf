"""SPK317 broadcast-loss: a table of numbers, and the shapes that the probe reads."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.checks.spk317_broadcast_loss import BroadcastLoss
from spikecheck.readings import LossReading
from tests.unit.checks.build import loss, observe, parameter, severity_of


@pytest.mark.parametrize(
    ("reading", "severity"),
    [
        pytest.param(loss(function="mse_loss", broadcast_shapes=((32, 1), (32,))), "error", id="all pairs"),
        pytest.param(loss(function="mse_loss"), None, id="equal shapes"),
    ],
)
def test_judge(reading, severity) -> None:
    assert severity_of(BroadcastLoss(), observe({"loss": [reading]}), "loss") == severity


@pytest.mark.parametrize(
    ("output", "target", "last_weight", "severity"),
    [
        pytest.param((32, 4), (32, 1), (4, 100), "warning", id="four outputs, one target"),
        pytest.param((32, 4), (32, 1), (1, 100), None, id="one output in four time steps"),
        pytest.param((25, 32, 4), (32, 1), (4, 100), "warning", id="four outputs in each time step"),
        pytest.param((32, 1), (32,), (1, 100), "error", id="all pairs"),
        pytest.param((32,), (32, 1), (1, 100), "error", id="all pairs, the other way around"),
    ],
)
def test_a_target_for_several_outputs(output, target, last_weight, severity) -> None:
    outputs, inputs = last_weight
    weights = {"fc1.weight": [parameter()], "fc2.weight": [parameter(elements=outputs * inputs, fan_in=inputs)]}
    observations = observe({**weights, "loss": [loss(function="mse_loss", broadcast_shapes=(output, target))]})
    assert severity_of(BroadcastLoss(), observations, "loss") == severity


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(
    ("loss_of", "shapes"),
    [
        (lambda out, y: nn.functional.mse_loss(out, y), ((8, 1), (8,))),
        (lambda out, y: nn.functional.l1_loss(out[:, 0], y[:, None]), ((8,), (8, 1))),
        (lambda out, y: ((out - y) ** 2).mean(), ((8, 1), (8,))),
        (lambda out, y: nn.functional.mse_loss(out[:, 0], y), ()),
        (lambda out, y: nn.functional.multi_margin_loss(torch.cat([out, -out], 1), (y > 0).long()), ()),
        (lambda out, y: nn.functional.mse_loss(out, torch.tensor(0.05)), ()),  # a target rate for all
        (lambda out, y: nn.functional.mse_loss(out, y.expand(5, 8)[..., None]), ()),  # one target per time step
        (lambda out, y: nn.functional.mse_loss(out.expand(8, 4) * 1, y[:, None]), ((8, 4), (8, 1))),
        (lambda out, y: ((out[:, 0] - y) ** 2).mean(), ()),
        (lambda out, y: ((out - y[:, None]) ** 2).mean(), ()),
    ],
)
def test_shapes_of_a_loss(loss_of, shapes) -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            loss_of(model(torch.randn(8, 4)), torch.randn(8)).backward()
            optimizer.step()
    reading = monitor.evidence().observations.windows["all"]["loss"][LossReading]
    assert reading.broadcast_shapes == shapes
