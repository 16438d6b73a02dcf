"""Training steps that do more than a plain loop: experiments and treated copies are made with all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from spikecheck.examination.experiments.rate_ladder import losses_at
from spikecheck.examination.experiments.repeated_batch import repeated
from spikecheck.examination.own_loss import OwnLoss
from spikecheck.examination.subject import Subject
from spikecheck.examination.treatments.base import Patient, treatment
from tests.unit.examination.subjects import Net, subject

LIMIT = 0.5
SIGN = torch.where(torch.arange(24) % 5 == 0, -1.0, 1.0)  # of the neurons, after Dale's principle


def clamp(net: Net) -> None:
    net.fc1.weight.clamp_(-LIMIT, LIMIT)


def normalize(net: Net) -> None:
    net.fc1.weight.div_(net.fc1.weight.norm(dim=1, keepdim=True))


def keep_signs(net: Net) -> None:
    net.fc2.weight.copy_(net.fc2.weight.mul(SIGN).clamp(min=0).mul(SIGN))


class Loop:
    """A training step that clips gradients, scales the loss, steps a scheduler, and limits the weights in the end."""

    def __init__(self, own: Subject, project: Callable[[Any], None] = clamp, **options: Any) -> None:
        self.own, self.optimizer, self.project, self.norms = own, own.optimizer, project, []
        self.schedule = options.get("schedule", lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda k: 1.0))(
            own.optimizer
        )
        self.scaler = torch.amp.GradScaler("cpu", enabled=options.get("scaled", False))

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        own = self.own
        self.optimizer.zero_grad()
        loss = F.cross_entropy(own.model(x), y)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        self.norms.append(float(nn.utils.clip_grad_norm_(own.model.parameters(), 1.0)))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        with torch.no_grad():
            self.project(own.model)
        return loss


def looped(project: Callable[[Any], None] = clamp, **options: Any) -> Subject:
    own = subject(rate=options.pop("rate", 5e-3))
    own.step = Loop(own, project, **options)
    return own


@pytest.mark.parametrize("project", [clamp, normalize, keep_signs])
def test_a_loop_that_limits_its_weights_carries_no_state_over(project: Callable[[Any], None]) -> None:
    reading = repeated(looped(project))
    assert reading.by_own_step
    assert (reading.largest_change, reading.error) == (0.0, "")


def test_a_loop_that_updates_by_hand_carries_no_state_over() -> None:
    own = subject()

    def step(x: Tensor, y: Tensor) -> Tensor:
        own.model.zero_grad()
        loss = F.cross_entropy(own.model(x), y)
        loss.backward()
        with torch.no_grad():
            for parameter in own.model.parameters():
                parameter -= 0.1 * parameter.grad
        return loss

    own.step = step
    assert repeated(own).largest_change == 0.0


@pytest.mark.parametrize(
    "schedule",
    [
        lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda k: 0.9**k),
        lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.9),
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 200),
    ],
)
@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_the_ladder_multiplies_what_a_scheduler_makes(factor: float, schedule: Callable[[Any], Any]) -> None:
    own, plain = looped(schedule=schedule), looped(schedule=schedule)
    rates, expected = [], []
    own.optimizer.register_step_pre_hook(lambda optimizer, *args: rates.append(optimizer.param_groups[0]["lr"]))
    plain.optimizer.register_step_pre_hook(lambda optimizer, *args: expected.append(optimizer.param_groups[0]["lr"]))
    losses_at(own, factor)
    plain.train(len(rates))
    assert rates == pytest.approx([factor * rate for rate in expected])


def test_a_tried_rate_is_kept_by_a_scheduler_that_sets_it() -> None:
    own, rates = looped(rate=1e-6), []
    fix = treatment("learning rate from a ladder").apply(Patient(own))
    own.optimizer.register_step_pre_hook(lambda optimizer, *args: rates.append(optimizer.param_groups[0]["lr"]))
    own.train(3)
    assert rates == pytest.approx([1e-3] * 3)
    assert "*= 1000" in fix.code


@pytest.mark.filterwarnings("ignore:Seems like `optimizer.step")
@pytest.mark.parametrize("scaled", [False, True])
def test_another_optimizer_leaves_the_rest_of_the_step(scaled: bool) -> None:
    own = looped(rate=1e-6, scaled=scaled)
    loop = own.step
    treatment("fresh Adam").apply(Patient(own))
    before = own.model.fc2.weight.clone()
    own.train(5)
    assert own.step is loop
    assert len(loop.norms) == 5
    assert own.model.fc1.weight.abs().max() <= LIMIT
    assert (own.model.fc2.weight - before).abs().max() > 2e-3  # by far more than the rate of the script allows


def test_another_optimizer_does_not_train_time_constants_that_the_script_leaves_out() -> None:
    net = Net()
    own = subject(net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1))
    net.lif.tau = nn.Parameter(torch.tensor(20.0))
    net.extra = nn.Parameter(torch.zeros(3, 3))
    treatment("fresh Adam").apply(Patient(own))
    held = {id(one) for group in own.optimizer.param_groups for one in group["params"]}
    assert id(net.lif.tau) not in held
    assert id(net.extra) in held


def test_parameters_join_the_optimizer_of_a_loop_with_a_scheduler() -> None:
    own = subject(optimizer=(optimizer := torch.optim.Adam(Net().fc2.parameters(), lr=5e-3)))
    optimizer.param_groups[0]["params"] = list(own.model.fc2.parameters())
    own.step = Loop(own)
    before = own.model.fc1.weight.clone().clamp(-LIMIT, LIMIT)
    treatment("optimizer of all parameters").apply(Patient(own))
    own.train(2)
    assert not torch.equal(own.model.fc1.weight, before)


@pytest.mark.parametrize("scaled", [False, True])
def test_another_loss_leaves_the_rest_of_the_step(scaled: bool) -> None:
    own = looped(scaled=scaled)
    loop = own.step
    patient = Patient(own)
    patient.require_own_loss()
    patient.change_output(lambda output: 100 * output)
    losses = own.train(5)
    assert isinstance(own.step, OwnLoss)
    assert own.step.step is loop
    assert losses[0] == pytest.approx(
        float(F.cross_entropy(100 * looped().model(own.batches[0].first), own.batches[0].labels).detach())
    )
    assert loop.norms[0] > 10  # the gradients are those of the changed loss, not scaled by anything else
    assert loop.norms[0] < 1000
    assert own.model.fc1.weight.abs().max() <= LIMIT


def test_another_loss_is_computed_in_the_precision_of_the_step() -> None:
    own, kinds = subject(), []

    def step(x: Tensor, y: Tensor) -> Tensor:
        own.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(own.model(x).float(), y)
        loss.backward()
        own.optimizer.step()
        return loss

    own.step = step
    patient = Patient(own)
    patient.require_own_loss()
    patient.change_output(lambda output: kinds.append(output.dtype) or output)
    own.train(1)
    assert kinds == [torch.bfloat16]


def test_a_step_with_several_losses_gives_way_to_a_plain_loop() -> None:
    own = subject()

    def step(x: Tensor, y: Tensor) -> Tensor:
        own.optimizer.zero_grad()
        for _ in range(2):
            loss = F.cross_entropy(own.model(x), y)
            loss.backward()
        own.optimizer.step()
        return loss

    own.step = step
    Patient(own).require_own_loss()
    assert own.step is None
