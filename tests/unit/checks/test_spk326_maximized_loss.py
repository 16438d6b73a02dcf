"""SPK326 maximized-loss: a table of numbers, and losses and optimizers whose sign is wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import spikecheck
from spikecheck.checks.spk326_maximized_loss import MaximizedLoss
from tests.unit.checks.build import gradient, loss, loss_terms, observe, parameter, run, severity_of, update

RISING = loss(first=2.4, recent_mean=9.0, recent_slope=0.1, recent_slope_error=0.01)
SUBTRACTED = loss_terms(updates=20, negative_updates=20)
UPHILL = update(updates=20, uphill_updates=20)


def judged(now, terms, updates, moves):
    places = {"loss": [now, terms], "fc.weight": [moves, gradient(), parameter()]}
    return severity_of(MaximizedLoss(), observe(places, run=run(update=updates)), "loss")


@pytest.mark.parametrize(
    ("now", "terms", "updates", "moves", "severity"),
    [
        pytest.param(RISING, SUBTRACTED, 40, update(), "error", id="a minus sign"),
        pytest.param(RISING, loss_terms(), 40, UPHILL, "error", id="added gradients"),
        pytest.param(RISING, loss_terms(), 40, update(), None, id="it only rises"),
        pytest.param(RISING, loss_terms(updates=20, negative_updates=19), 40, update(), None, id="not in all updates"),
        pytest.param(RISING, SUBTRACTED, 15, update(), None, id="too early"),
        pytest.param(loss(), SUBTRACTED, 40, UPHILL, None, id="it falls all the same"),
        pytest.param(replace(RISING, function="kl_div"), SUBTRACTED, 40, UPHILL, None, id="may be < 0"),
        pytest.param(
            loss(first=2.4, recent_mean=float("nan")), SUBTRACTED, 40, update(), "error", id="until it is NaN"
        ),
        pytest.param(RISING, loss_terms(), 40, update(updates=20, uphill_updates=17), None, id="now and then"),
        pytest.param(RISING, loss_terms(), 40, update(updates=20, unmoved_updates=20), None, id="nothing moves"),
    ],
)
def test_judge(now, terms, updates, moves, severity) -> None:
    assert judged(now, terms, updates, moves) == severity


@pytest.mark.parametrize(
    ("sign", "optimizer", "reported"),
    [
        (-1, torch.optim.Adam, True),
        (1, lambda weights, lr: torch.optim.Adam(weights, lr, maximize=True), True),
        (1, lambda weights, lr: torch.optim.SGD(weights, 30 * lr, momentum=0.9, maximize=True), True),
        (1, torch.optim.Adam, False),
        (1, lambda weights, lr: torch.optim.SGD(weights, 30 * lr, momentum=0.9), False),
        (-1, lambda weights, lr: torch.optim.Adam(weights, lr, maximize=True), False),  # two that cancel
    ],
)
def test_a_sign_that_is_wrong(sign, optimizer, reported) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 4))
    steps = optimizer(model.parameters(), lr=3e-3)
    x, y = torch.randn(256, 40), torch.randint(4, (256,))
    monitor = spikecheck.attach(model, on_finding=lambda finding: None)
    losses = []
    for _ in range(70):
        steps.zero_grad()
        loss = F.cross_entropy(model(x), y)
        (sign * loss).backward()
        steps.step()
        losses.append(loss.item())
    checks = {finding.check for finding in monitor.report().findings}
    assert ("SPK326" in checks) is reported
    assert (losses[-1] > losses[0]) is reported or all(a > b for a, b in pairwise(losses))


def chosen(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of each sample's class."""
    return x.log_softmax(1)[torch.arange(len(y)), y]


@pytest.mark.parametrize(
    ("written", "reported"),
    [
        pytest.param(lambda x, y: chosen(x, y).sum() / 256, True, id="no minus sign"),
        pytest.param(lambda x, y: x.log_softmax(1).gather(1, y[:, None]).squeeze(1).mean(), True, id="gathered"),
        pytest.param(lambda x, y: -chosen(x, y).mean(), False, id="as it should be"),
        pytest.param(lambda x, y: (chosen(x, y) * -torch.ones(256)).mean(), False, id="costs instead of rewards"),
    ],
)
def test_a_log_likelihood_that_is_written_out(written, reported) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    x, y = torch.randn(256, 40), torch.randint(4, (256,))
    monitor = spikecheck.attach(model, on_finding=lambda finding: None)
    for _ in range(70):
        optimizer.zero_grad()
        written(model(x), y).backward()
        optimizer.step()
    findings = {finding.check: finding for finding in monitor.report().findings}
    assert ("SPK326" in findings) is reported
    if reported:
        assert "without its minus sign" in findings["SPK326"].message
        assert findings["SPK326"].observed.text.startswith("negative log-likelihood of 1.")
