"""A monitor that was asked to keeps the last batches of the training, and examines the model with them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import spikecheck
from spikecheck.errors import SpikecheckError
from tests.unit.examination.subjects import CHANNELS, CLASSES, Net, Spike, batches


def trained(keep: int, number: int = 6):
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    data = batches(number)
    with spikecheck.attach(net, keep_batches=keep, on_finding=lambda finding: None) as monitor:
        for x, y in data:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            with torch.no_grad():
                F.cross_entropy(net(torch.zeros_like(x)), y)
    return monitor, optimizer, data


def test_the_last_training_batches_are_kept() -> None:
    monitor, _, data = trained(3)
    held = list(monitor._batches.batches)
    assert [x.equal(known) and y.equal(labels) for (x, y), (known, labels) in zip(held, data[-3:], strict=True)]
    assert held[0][0] is not data[3][0]


def test_a_monitor_examines_the_model_that_it_watched() -> None:
    monitor, optimizer, _ = trained(6)
    report = monitor.examine(F.cross_entropy, optimizer, seconds=600, treatment_seconds=0, progress=False)
    assert {row.name: row.outcome.value for row in report.experiments}["changed sample"] == "done"
    assert monitor.report().updates == 6


def test_without_batches_it_says_what_to_do() -> None:
    monitor, _, _ = trained(0)
    assert not monitor._batches.batches
    with pytest.raises(SpikecheckError, match="pass keep_batches=8"):
        monitor.examine(F.cross_entropy)
    with pytest.raises(SpikecheckError, match="whole number"):
        spikecheck.attach(Net(), keep_batches=-1)


class Step(torch.nn.Module):
    """One time step of a network, whose loop is in the script."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.v = torch.nn.Linear(CHANNELS, CLASSES), torch.zeros(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.v = 0.9 * self.v + self.fc(x)
        spikes: torch.Tensor = Spike.apply(self.v - 1.0)
        return spikes


def test_a_model_that_is_called_once_per_time_step_is_refused() -> None:
    net = Step()
    with spikecheck.attach(net, keep_batches=2, on_finding=lambda finding: None) as monitor:
        for x, y in batches(3):
            net.v = torch.zeros(1)
            F.cross_entropy(torch.stack([net(step) for step in x.unbind(1)]).mean(0), y).backward()
    with pytest.raises(SpikecheckError, match="once per time step"):
        monitor.examine(F.cross_entropy)
