"""SPK419 unregistered-parameter: a table of numbers, and networks that keep parameters in several places."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.checks.spk419_unregistered_parameter import UnregisteredParameter
from tests.unit.checks.build import findings, loss, observe, run, severity_of


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


@pytest.mark.parametrize(
    ("before", "lost", "severity"),
    [
        pytest.param(1, loss(), "note", id="an encoder in front of a network that learns"),
        pytest.param(1, loss(first=3.0, recent_mean=3.0, recent_slope=0.0), "warning", id="of one that does not"),
        pytest.param(0, loss(), "warning", id="inside of the model"),
    ],
)
def test_an_encoder_may_be_random_on_purpose(before, lost, severity) -> None:
    reading = run(update=80, unregistered_shapes=((3, 4),), unregistered_before=before)
    observations = observe({"the run": [reading], "loss": [lost]}, run=reading)
    assert severity_of(UnregisteredParameter(), observations, "the run") == severity


class Net(nn.Module):
    def __init__(self, where: str) -> None:
        super().__init__()
        hidden = [nn.Linear(8, 8)]
        self.hidden = nn.ModuleList(hidden) if where == "a ModuleList" else hidden
        self.out = nn.Linear(8, 3)
        self.in_front = where == "a list, called before the model"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x if self.in_front else self.encode(x))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.hidden:
            x = layer(x).relu()
        return x


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("a list", True),
        ("a ModuleList", False),
        ("a list that the optimizer has", False),
        ("a list, updated by hand", False),
        ("a list, frozen", False),
        ("a list, called before the model", True),
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
            encoded = model.encode(x) if model.in_front else x
            before, logits, after = teacher(x), model(encoded), teacher(x)  # a teacher is not the model's
            loss = nn.functional.cross_entropy(logits, y) + (logits - before - after).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if where == "a list, updated by hand":
                layer.weight.data -= 0.1 * layer.weight.grad
                layer.bias.data -= 0.1 * layer.bias.grad
    made = [finding for finding in monitor.report().findings if finding.check == "SPK419"]
    assert bool(made) is expected
    assert all(one.message.startswith("what computes the model's input") is model.in_front for one in made)
