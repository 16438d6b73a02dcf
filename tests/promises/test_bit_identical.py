"""Training with spikecheck attached gives bit-identical weights to training without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.finding import Finding
from tests.promises.networks import Run, assert_same, assert_watched, by_hand, every

Result = tuple[dict[str, Tensor], Tensor, list[Tensor]]


def trained(build: Callable[[], nn.Module], watched: bool, **arguments: Any) -> Result:
    torch.manual_seed(0)
    run = Run(build())
    findings: list[Finding] = []
    if watched:
        monitor = spikecheck.attach(run.model, on_finding=findings.append, **arguments)
    run.train(50)
    if watched:
        assert_watched(monitor.report())
        assert monitor.watching
        monitor.detach()
    return run.weights(), torch.get_rng_state(), run.losses


@every
@pytest.mark.parametrize("how", [{}, {"every": 1}, {"every": 7}], ids=["auto", "every forward", "each seventh"])
def test_weights_losses_and_random_state_after_fifty_updates(build: Callable[[], nn.Module], how: Any) -> None:
    weights, state, losses = trained(build, watched=False)
    watched_weights, watched_state, watched_losses = trained(build, watched=True, **how)
    assert_same(watched_weights, weights)
    assert torch.equal(watched_state, state), "spikecheck drew from torch's random generator"
    assert torch.equal(torch.stack(watched_losses), torch.stack(losses))


def test_looking_at_the_report_between_updates_changes_nothing() -> None:
    torch.manual_seed(0)
    bare = Run(by_hand()).train(10)
    torch.manual_seed(0)
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None)
    for _ in range(10):
        run.train(1)
        assert_watched(monitor.report())
    monitor.detach()
    assert_same(run.weights(), bare.weights())


def test_gradients_are_those_of_an_unwatched_backward_pass() -> None:
    def gradients(watched: bool) -> dict[str, Tensor]:
        torch.manual_seed(0)
        run = Run(by_hand())
        monitor = spikecheck.attach(run.model, on_finding=lambda _: None) if watched else None
        run.train(1)
        if monitor:
            monitor.detach()
        return {name: p.grad.clone() for name, p in run.model.named_parameters() if p.grad is not None}

    assert_same(gradients(watched=True), gradients(watched=False))
