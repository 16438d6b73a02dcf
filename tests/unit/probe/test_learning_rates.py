"""Which updates have a learning rate much higher than any before."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikecheck.probe.learning_rates import LearningRateHistories


@pytest.mark.parametrize(
    ("rates", "rises"),
    [
        pytest.param([0.1, 0.1, 30.0, 30.0], [False, False, True, False], id="a jump"),
        pytest.param([0.0, 0.1, 0.2, 0.3, 0.4], [False, True, False, False, False], id="a warm-up"),
        pytest.param([0.4, 0.1, 0.4], [False, False, False], id="a restart"),
    ],
)
def test_rises(rates: list[float], rises: list[bool]) -> None:
    histories = LearningRateHistories()
    other = {"params": list(nn.Linear(2, 2).parameters()), "lr": 1e-3}
    optimizer = torch.optim.SGD([other, {"params": list(nn.Linear(2, 2).parameters())}], lr=1.0)
    risen = []
    for rate in rates:
        optimizer.param_groups[1]["lr"] = rate
        risen.append(histories.rises(optimizer))
        histories.record(optimizer)
    assert risen == rises
