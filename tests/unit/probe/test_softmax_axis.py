"""Which axis a softmax normalized: real tensors, and what the graph shows of them."""

from __future__ import annotations

import pytest
import torch

from spikecheck.probe.softmax_axis import softmax_axes, stacked_rows

X = torch.randn(7, 5, 3, requires_grad=True)  # [time, batch, class]


@pytest.mark.parametrize(
    ("logits", "axes"),
    [
        pytest.param(X.log_softmax(0).mean(0), ((7, 5, 3), (0, 1)), id="over time"),
        pytest.param(X.softmax(0).sum(0).log(), ((7, 5, 3), (0, 1)), id="over time, then the logarithm"),
        pytest.param(X.log_softmax(1).mean(0), ((7, 5, 3), (1, 1)), id="over the batch, at each time step"),
        pytest.param(X[0].softmax(0), ((5, 3), (0, 0)), id="over the batch"),
        pytest.param(X.transpose(0, 1).softmax(1).mean(1), ((5, 7, 3), (1, 0)), id="over time, batch first"),
        pytest.param(X.log_softmax(-1).mean(0), (), id="over the classes"),
        pytest.param(X.mean(0), (), id="none"),
        pytest.param((X.softmax(0) * X).sum(0), (), id="attention over time"),
        pytest.param(torch.randn(5, 3), (), id="without a graph"),
    ],
)
def test_axes(logits: torch.Tensor, axes) -> None:
    assert softmax_axes(logits) == axes


STEPS = [torch.randn(5, 3, requires_grad=True) * 1 for _ in range(7)]  # [batch, class] per time step


@pytest.mark.parametrize(
    ("logits", "shape"),
    [
        pytest.param(torch.stack(STEPS).sum(1), (7, 5, 3), id="the batch is added up"),
        pytest.param(10 * torch.stack(STEPS).mean(1), (7, 5, 3), id="averaged, and scaled"),
        pytest.param(torch.stack(STEPS, 1).sum(0), (7, 5, 3), id="batch first"),
        pytest.param(torch.stack(STEPS).sum(1).detach(), (), id="an evaluation has no graph"),
        pytest.param(torch.stack(STEPS).sum(0), (), id="time is added up"),
        pytest.param(torch.stack(STEPS, 1).mean(1), (), id="time is averaged, batch first"),
        pytest.param(torch.stack(STEPS)[:, 0], (), id="a label per time step of one sample"),
        pytest.param(torch.stack([step[:1] for step in STEPS]).sum(1), (), id="the same, by a sum"),
        pytest.param(torch.stack(STEPS).flatten(0, 1), (), id="a label per time step and sample"),
        pytest.param(torch.randn(5, 3), (), id="without a graph, as in evaluation"),
    ],
)
def test_rows_that_are_time_steps(logits: torch.Tensor, shape: tuple[int, ...]) -> None:
    assert stacked_rows(logits) == shape
