"""Whether gradients are used, and whether updates last: small networks, trained in every way that scripts do."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import LBFGS, SGD, Adam

import spikecheck
from spikecheck.checks.progress import update_readings
from spikecheck.report.model import Report

PASSES = 70  # above every limit of SPK414 for a run that is over


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x).tanh())


def loss_of(model: nn.Module, x: torch.Tensor | None = None) -> torch.Tensor:
    x = torch.randn(8, 4) if x is None else x
    return nn.functional.cross_entropy(model(x), (x.detach()[:, 0] > 0).long())


def watched(make: Callable[[Two], Callable[[], object]], passes: int = PASSES) -> Report:
    torch.manual_seed(0)
    model = Two()
    step = make(model)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(passes):
            step()
    return monitor.report()


def checks_of(report: Report) -> set[str]:
    return {finding.check for finding in report.findings} & {"SPK408", "SPK414", "SPK415"}


def never(model: Two) -> Callable[[], object]:
    optimizer = Adam(model.parameters())
    return lambda: (optimizer.zero_grad(), loss_of(model).backward())


def without_optimizer(model: Two) -> Callable[[], object]:
    return lambda: (model.zero_grad(), loss_of(model).backward())


def never_cleared(model: Two) -> Callable[[], object]:
    return lambda: loss_of(model).backward()


def of_a_copy(model: Two) -> Callable[[], object]:
    optimizer = SGD(copy.deepcopy(model).parameters(), lr=0.1)
    return lambda: (model.zero_grad(), loss_of(model).backward(), optimizer.step())


def restored(model: Two) -> Callable[[], object]:
    optimizer, best = SGD(model.parameters(), lr=0.1), copy.deepcopy(model.state_dict())
    return lambda: (
        optimizer.zero_grad(),
        loss_of(model).backward(),
        optimizer.step(),
        model.load_state_dict(best),
    )


def rounded(model: Two) -> Callable[[], object]:
    optimizer = SGD(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
        for p in model.parameters():
            p.data = (p.data * 4).round() / 4

    return step


@pytest.mark.parametrize(
    ("make", "check"),
    [
        (never, "SPK414"),
        (without_optimizer, "SPK414"),
        (never_cleared, "SPK414"),
        (of_a_copy, "SPK414"),
        (restored, "SPK415"),
        (rounded, "SPK415"),
    ],
)
def test_gradients_arrive_and_nothing_moves(make, check: str) -> None:
    report = watched(make)
    assert checks_of(report) == {check}
    assert report.root_causes[0].finding.check == check


def by_hand(model: Two) -> Callable[[], object]:
    def step() -> None:
        model.zero_grad()
        loss_of(model).backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad

    return step


def accumulated(model: Two) -> Callable[[], object]:
    optimizer, passes = SGD(model.parameters(), lr=0.1), [0]

    def step() -> None:
        loss_of(model).backward()
        passes[0] += 1
        if passes[0] % 60 == 0:
            optimizer.step()
            optimizer.zero_grad()

    return step


def saliency(model: Two) -> Callable[[], object]:
    return lambda: (model.zero_grad(), loss_of(model, torch.randn(8, 4, requires_grad=True)).backward())


def evaluated(model: Two) -> Callable[[], object]:
    model.eval()
    return lambda: (model.zero_grad(), loss_of(model).backward())


def functional(model: Two) -> Callable[[], object]:
    weights = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    optimizer = SGD(weights.values(), lr=0.1)

    def call(x: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, weights, (x,))

    return lambda: (optimizer.zero_grad(), loss_of(call).backward(), optimizer.step())


def line_search(model: Two) -> Callable[[], object]:
    optimizer = LBFGS(model.parameters(), max_iter=PASSES, tolerance_grad=0, tolerance_change=0)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    return lambda: optimizer.step(closure)


def clamped(model: Two) -> Callable[[], object]:
    optimizer = SGD(model.parameters(), lr=0.1)

    def step() -> None:
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
        for p in model.parameters():
            p.data.clamp_(-0.3, 0.3)

    return step


@pytest.mark.parametrize("make", [by_hand, accumulated, saliency, evaluated, functional, line_search, clamped])
def test_healthy_code_that_looks_like_it(make) -> None:
    assert not checks_of(watched(make, 3 if make is line_search else PASSES))


def test_gradients_of_a_few_batches_may_be_looked_at_before_training() -> None:
    def look_then_train(model: Two) -> Callable[[], object]:
        optimizer, passes = SGD(model.parameters(), lr=0.1), [0]

        def step() -> None:
            optimizer.zero_grad()
            loss_of(model).backward()
            passes[0] += 1
            if passes[0] > 20:
                optimizer.step()

        return step

    callbacks = []
    torch.manual_seed(0)
    model = Two()
    step = look_then_train(model)
    with spikecheck.attach(model, on_finding=callbacks.append) as monitor:
        for _ in range(PASSES):
            step()
    assert not checks_of(monitor.report())
    assert not callbacks


def test_each_of_several_optimizers_is_compared_as_often_as_if_it_were_alone() -> None:
    updates = {}
    for alone in (True, False):
        torch.manual_seed(0)
        model = Two()
        parts = [model] if alone else [model.a, model.b]
        optimizers = [SGD(part.parameters(), lr=0.1) for part in parts]
        with spikecheck.attach(model) as monitor:
            for _ in range(100):
                model.zero_grad()
                loss_of(model).backward()
                for optimizer in optimizers:
                    optimizer.step()
        observations = monitor.evidence().observations
        read = update_readings(observations.readings(observations.sites[0]), ["a.weight", "b.weight"])
        updates[alone] = {name: reading.updates for name, reading in read.items()}
    assert updates[True] == updates[False]


def test_an_optimizer_that_steps_rarely_is_known_by_what_it_holds() -> None:
    torch.manual_seed(0)
    model = Two()
    often, rarely = SGD(model.a.parameters(), lr=0.1), SGD(model.b.parameters(), lr=0.1)
    with spikecheck.attach(model) as monitor:
        for _ in range(30):
            model.zero_grad()
            loss_of(model).backward()
            often.step()
        (idle,) = monitor.evidence().observations.run.idle_optimizers
        assert idle.kind == "SGD"
        assert idle.parameters == ("b.weight", "b.bias")
        rarely.step()
        assert monitor.evidence().observations.run.idle_optimizers == ()
