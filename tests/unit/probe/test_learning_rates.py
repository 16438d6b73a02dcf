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


@pytest.mark.parametrize(
    ("dtype", "options", "zero"),
    [
        pytest.param(torch.float16, {}, 1e-8, id="float16"),
        pytest.param(torch.float16, {"eps": 1e-4}, 0.0, id="float16, and an eps that it can hold"),
        pytest.param(torch.float16, {"fused": True}, 0.0, id="float16, computed in float32"),
        pytest.param(torch.bfloat16, {}, 0.0, id="bfloat16"),
        pytest.param(torch.float32, {}, 0.0, id="float32"),
    ],
)
def test_an_epsilon_that_the_number_format_rounds_to_0(dtype, options, zero) -> None:
    parameter = nn.Parameter(torch.zeros(2, dtype=dtype))
    histories = LearningRateHistories()
    histories.record(torch.optim.Adam([parameter], **options))
    history = histories.of(parameter)
    assert history is not None
    assert history.zero_epsilon == zero
    assert (torch.tensor(options.get("eps", 1e-8), dtype=dtype) == 0) == bool(zero or options.get("fused"))
