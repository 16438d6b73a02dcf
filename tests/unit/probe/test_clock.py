"""An update is what optimizers do between two backward passes, however many optimizers there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import LBFGS, SGD, Optimizer

import spikecheck
from spikecheck.probe.clock import Clock
from spikecheck.readings import UpdateReading

BATCHES = 20


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.b(self.a(x).relu())
        return y


def loss_of(model: nn.Module) -> Tensor:
    return F.cross_entropy(model(torch.randn(8, 6)), torch.randint(3, (8,)))


def together(model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    loss_of(model).backward()
    for optimizer in optimizers:
        optimizer.step()


def one_after_the_other(model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    for optimizer in optimizers:
        loss_of(model).backward()
        optimizer.step()


def accumulated(model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    loss_of(model).backward()
    together(model, optimizers)


def twice(model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    together(model, optimizers)
    for optimizer in optimizers:
        optimizer.step()


def by_closure(model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    def closure() -> float:
        model.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return float(loss.detach())

    optimizers[0].step(closure)


@pytest.mark.parametrize(
    ("iteration", "updates"),
    [
        pytest.param(together, 1, id="after one backward pass"),
        pytest.param(one_after_the_other, 2, id="each after a backward pass of its own"),
        pytest.param(accumulated, 1, id="after two backward passes"),
        pytest.param(twice, 2, id="twice after one backward pass"),
        pytest.param(by_closure, 1, id="LBFGS, with backward passes inside of its step"),
    ],
)
def test_updates_are_counted(iteration: Callable[[nn.Module, Sequence[Optimizer]], None], updates: int) -> None:
    torch.manual_seed(0)
    model = Two()
    optimizers: list[Optimizer] = [SGD(part.parameters(), lr=0.01) for part in (model.a, model.b)]
    if iteration is by_closure:
        optimizers = [LBFGS(model.parameters(), lr=0.01, max_iter=3)]
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        for _ in range(BATCHES):
            model.zero_grad()
            iteration(model, optimizers)
        assert monitor.report().updates == updates * BATCHES


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_parameters_of_every_optimizer_are_compared_in_the_same_updates(order: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = Two()
    parts = [model.a, model.b]
    optimizers = [SGD(parts[i].parameters(), lr=0.01) for i in order]
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        for _ in range(3 * BATCHES):
            model.zero_grad()
            together(model, optimizers)
        observations = monitor.evidence().observations
    compared = {
        name: places[UpdateReading].updates
        for name, places in observations.windows["all"].items()
        if UpdateReading in places
    }
    assert set(compared) == {"a.weight", "a.bias", "b.weight", "b.bias"}
    assert len(set(compared.values())) == 1


def test_passes_without_gradients_between_losses_are_no_time_steps_of_a_network_that_trains() -> None:
    clock = Clock()
    for _ in range(3):
        for _ in range(10):  # an agent acts
            clock.forward(False)
        clock.end_sequence()
        assert clock.longest_sequence == 10
    for _ in range(3):
        for _ in range(10):
            clock.forward(False)
        clock.forward(True)  # and learns
        clock.backward()
        assert clock.longest_sequence == 1
