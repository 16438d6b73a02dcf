"""A loss that the script writes out: what it compares is read off the graph."""

from __future__ import annotations

import pytest
import torch

from spikecheck.probe.written_loss import ModelOutput, compared_tensors

OUTPUT = torch.tensor([[1.0, 2.0], [0.0, 5.0]])
TARGET = torch.tensor([[3.0, 0.0], [4.0, 1.0]])


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(lambda o, t: ((o - t) ** 2).mean(), id="squared"),
        pytest.param(lambda o, t: ((t - o) ** 2).mean(), id="the other way round"),
        pytest.param(lambda o, t: (o - t).abs().sum() / 4, id="absolute"),
        pytest.param(lambda o, t: ((o - t) ** 2).sum(1).mean() * 0.5, id="twice averaged"),
    ],
)
def test_the_difference_gives_the_target_away(loss) -> None:
    output = OUTPUT.clone().requires_grad_() * 1
    comparison = compared_tensors(loss(output, TARGET), ModelOutput.of((output, output.sum(1))))
    assert comparison is not None
    assert torch.equal(comparison[0], OUTPUT)
    assert torch.equal(comparison[1], TARGET)
    assert not any(value.requires_grad for value in comparison)


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(lambda o, t: (o * t).sum(), id="a product"),
        pytest.param(lambda o, t: ((o / 2 - t) ** 2).mean(), id="of something else than the output"),
        pytest.param(lambda o, t: ((o * 0.5 - t) ** 2).mean(), id="of what the script makes of it, in the same way"),
        pytest.param(lambda o, t: ((o - o.detach().requires_grad_()) ** 2).mean(), id="of two that learn"),
        pytest.param(lambda o, t: o[0, 0], id="one number"),
        pytest.param(lambda o, t: t.sum(), id="of nothing that learns"),
    ],
)
def test_of_other_graphs_nothing_is_said(loss) -> None:
    output = OUTPUT.clone().requires_grad_() * 1
    assert compared_tensors(loss(output, TARGET), ModelOutput.of(output)) is None


def test_an_output_is_told_from_another_of_the_same_operation() -> None:
    outputs = torch.stack([OUTPUT, OUTPUT + 1]).requires_grad_().unbind()
    comparison = compared_tensors(((outputs[1] - TARGET) ** 2).mean(), ModelOutput.of(outputs))
    assert comparison is not None
    assert torch.equal(comparison[0], OUTPUT + 1)
    assert torch.equal(comparison[1], TARGET)
