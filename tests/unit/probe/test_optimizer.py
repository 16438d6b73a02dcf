"""What is seen of gradients between the backward pass and the step that they are for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from spikecheck.probe.optimizer import OptimizerWatch
from spikecheck.site import Capture, SiteKind
from spikecheck.stats.backward import GradientAtStepStats

UPDATES = 3


class Two(nn.Module):
    """Two layers, each with an optimizer of its own where a script wants that."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x).relu())


def ordinary(model: Two, optimizers: list[Optimizer]) -> None:
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def zeroed(model: Two, optimizers: list[Optimizer]) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=False)
        optimizer.step()


def set_to_none(model: Two, optimizers: list[Optimizer]) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad()
        optimizer.step()


def clipped_to_nothing(model: Two, optimizers: list[Optimizer]) -> None:
    nn.utils.clip_grad_norm_(model.parameters(), 0.0)
    ordinary(model, optimizers)


def never_cleared(model: Two, optimizers: list[Optimizer]) -> None:
    for optimizer in optimizers:
        optimizer.step()


def cleared(step: Callable[[Two, list[Optimizer]], None], *, several: bool, passes: int = 1) -> dict[str, float]:
    """The share of the updates in which a parameter's gradient went before its step."""
    torch.manual_seed(0)
    model, readings = Two(), dict[str, list[int]]()
    optimizers: list[Optimizer] = [SGD(m.parameters(), lr=0.1) for m in ((model.a, model.b) if several else (model,))]

    def keep(capture: Capture[torch.Tensor]) -> None:
        if capture.sites[0].kind is SiteKind.GRADIENT_AT_STEP:
            reading_of = GradientAtStepStats().summarize(GradientAtStepStats().measure(capture))
            for site, reading in zip(capture.sites, reading_of, strict=True):
                readings.setdefault(site.name, []).append(reading.cleared_updates)

    watch = OptimizerWatch(dict(model.named_parameters()), keep, position=lambda name: 0)
    handles = [
        register_optimizer_step_pre_hook(lambda o, *_: watch.before_step(o, 0)),
        register_optimizer_step_post_hook(lambda o, *_: watch.after_step(o, 0)),
    ]
    for _ in range(UPDATES):
        for _ in range(passes):
            nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.randint(2, (8,))).backward()
            watch.backward_ended(0)
        step(model, optimizers)
    for handle in handles:
        handle.remove()
    assert set(readings) == {name for name, _ in model.named_parameters()}
    return {name: sum(values) / len(values) for name, values in readings.items()}


@pytest.mark.parametrize("several", [False, True], ids=["one optimizer", "one a layer"])
@pytest.mark.parametrize(
    ("step", "share"),
    [(ordinary, 0), (never_cleared, 0), (zeroed, 1), (set_to_none, 1), (clipped_to_nothing, 1)],
)
def test_gradients_that_the_step_does_not_find(step, share: float, several: bool) -> None:
    assert set(cleared(step, several=several).values()) == {share}


def test_accumulated_gradients_are_found_by_the_step() -> None:
    assert set(cleared(ordinary, several=False, passes=2).values()) == {0}


def test_the_other_optimizers_gradients_are_not_this_steps() -> None:
    def one_after_the_other(model: Two, optimizers: list[Optimizer]) -> None:
        optimizers[0].step()
        model.a.zero_grad()
        optimizers[1].step()
        model.b.zero_grad()

    assert set(cleared(one_after_the_other, several=True).values()) == {0}
