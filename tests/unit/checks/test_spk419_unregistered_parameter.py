"""SPK419 unregistered-parameter: a table of numbers, and networks that keep parameters in several places."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.checks.spk419_unregistered_parameter import UnregisteredParameter
from tests.unit.checks.build import findings, observe, run


@pytest.mark.parametrize(
    ("shapes", "updates", "expected"),
    [
        (((3, 4),), 10, 1),
        (((3, 4),), 9, 0),
        ((), 100, 0),
    ],
    ids=["never moved", "too early", "all are registered"],
)
def test_judge(shapes, updates, expected) -> None:
    reading = run(update=updates, unregistered_shapes=shapes)
    made = findings(UnregisteredParameter(), observe({"the run": [reading]}, run=reading), "the run")
    assert len(made) == expected
    assert all("never moved in 10 updates" in one.message for one in made)


class Net(nn.Module):
    def __init__(self, where: str) -> None:
        super().__init__()
        hidden = [nn.Linear(8, 8)]
        self.hidden = nn.ModuleList(hidden) if where == "a ModuleList" else hidden
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.hidden:
            x = layer(x).relu()
        return self.out(x)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("a list", True),
        ("a ModuleList", False),
        ("a list that the optimizer has", False),
        ("a list, updated by hand", False),
        ("a list, frozen", False),
    ],
)
def test_parameters_in(where: str, expected: bool) -> None:
    torch.manual_seed(0)
    model, teacher = Net(where), nn.Linear(8, 3)
    layer = model.hidden[0]
    if where == "a list, frozen":
        layer.requires_grad_(False)
    held = layer.parameters() if where == "a list that the optimizer has" else ()
    optimizer = torch.optim.SGD([*model.parameters(), *held], lr=0.1)
    with spikecheck.attach(model) as monitor:
        for _ in range(12):
            x, y = torch.randn(16, 8), torch.randint(3, (16,))
            before, logits, after = teacher(x), model(x), teacher(x)  # a teacher is not the model's
            loss = nn.functional.cross_entropy(logits, y) + (logits - before - after).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if where == "a list, updated by hand":
                layer.weight.data -= 0.1 * layer.weight.grad
                layer.bias.data -= 0.1 * layer.bias.grad
    assert ("SPK419" in {finding.check for finding in monitor.report().findings}) is expected
