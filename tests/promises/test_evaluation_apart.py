"""Forward passes without gradients do not mix into what is said of the training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import spikecheck
from spikecheck.finding import UnseenKind
from tests.promises.networks import BATCH, INPUTS, STEPS, Run, assert_watched, by_hand, every


def report(build: Callable[[], nn.Module], evaluate: Callable[[nn.Module], None]) -> Any:
    torch.manual_seed(0)
    run = Run(build())
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None)
    for _ in range(4):
        run.train(3)
        state = torch.get_rng_state()
        evaluate(run.model)
        torch.set_rng_state(state)
    observed = monitor.report()
    monitor.detach()
    return observed


def silent() -> torch.Tensor:
    """Unlike any batch of the training but for its size, with which sinabs would draw a new state."""
    return torch.zeros(STEPS, BATCH, INPUTS)


def without_gradients(model: nn.Module) -> None:
    model.eval()
    with torch.no_grad():
        model(silent())
        model(silent())
    model.train()


def in_inference_mode(model: nn.Module) -> None:
    model.eval()
    with torch.inference_mode():
        model(silent())
    model.train()


@every
@pytest.mark.parametrize("evaluate", [without_gradients, in_inference_mode])
def test_readings_of_the_training_are_the_same_with_and_without(
    build: Callable[[], nn.Module], evaluate: Callable[[nn.Module], None]
) -> None:
    if evaluate is in_inference_mode and build.__name__ == "in_sinabs":
        pytest.skip("sinabs keeps the state made in inference mode, and torch refuses to train on")
    alone, mixed = report(build, lambda _: None), report(build, evaluate)
    assert_watched(mixed)
    assert mixed.layers == alone.layers
    assert mixed.updates == alone.updates
    assert [f.key for f in mixed.findings] == [f.key for f in alone.findings]
    assert [f.seen for f in mixed.findings] == [f.seen for f in alone.findings]


@pytest.mark.parametrize("named", [["lif"], []], ids=["named", "not named"])
def test_evaluation_alone_is_reported_on(named: list[str]) -> None:
    model = by_hand()
    monitor = spikecheck.attach(model, spikes=named, on_finding=lambda _: None)
    with torch.no_grad():
        for _ in range(4):
            model((torch.rand(STEPS, 4, INPUTS) < 0.5).float())
    observed = monitor.report()
    monitor.detach()
    assert (observed.forward_passes, observed.updates) == (4, 0)
    assert observed.layers or not named
    assert bool(observed.layers) is (UnseenKind.SPIKING_LAYER not in {one.kind for one in observed.unseen}), (
        "neither seen nor said to be unseen"
    )
