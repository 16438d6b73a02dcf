"""A subject makes updates, evaluates, and splits its batches."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spikecheck.errors import SpikecheckError
from spikecheck.examination.isolation import run_isolated
from spikecheck.examination.subject import Batch, Subject, class_scores, loss_value
from spikecheck.examination.trial import run_trial
from spikecheck.examination.watch import UPDATES, watch
from tests.unit.examination.subjects import CHANNELS, CLASSES, Net, batches, subject


def test_a_plain_loop_learns_and_is_the_same_twice() -> None:
    first, second = subject(), subject()
    before, losses = first.evaluate(), first.train(30)
    assert losses == second.train(30)
    assert losses[-1] < 0.7 * losses[0]
    assert first.evaluate().accuracy > before.accuracy
    assert first.evaluate().majority < 0.5
    assert first.model.training


def test_the_last_quarter_of_the_batches_is_held_out_up_to_256_samples() -> None:
    assert len(subject().held_out) == 4
    assert len(subject(batches=batches(48)).held_out) == 8
    assert len(subject(batches=batches(2)).held_out) == 1
    alone = subject(batches=batches(1))
    assert len(alone.training) == 1
    assert alone.held_out == ()
    assert math.isnan(alone.evaluate().loss)


def test_training_begins_again_with_the_first_batch() -> None:
    one = subject(batches=batches(4))
    assert [batch is one.training[i % 3] for i, batch in enumerate(one.cycle(7))] == [True] * 7


@pytest.mark.parametrize("returned", ["loss", {"loss": torch.tensor(2.0)}, (torch.tensor(2.0), None), 2.0])
def test_a_custom_step_is_called_as_in_a_loop_and_returns_the_loss(returned) -> None:
    net, calls = Net(), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def step(x, y):
        calls.append((x, y))
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss if returned == "loss" else returned

    one = subject(net, step=step, optimizer=optimizer)
    losses = one.train(3)
    assert len(calls) == 3
    assert calls[0][0] is one.training[0].inputs[0]
    assert returned == "loss" or losses == [2.0] * 3
    one.train(2, plain=True)
    assert len(calls) == 3


def test_a_step_that_returns_no_loss_is_named() -> None:
    with pytest.raises(SpikecheckError, match="step= must return the loss"):
        loss_value(None)


def test_lbfgs_is_given_its_closure() -> None:
    net = Net()
    assert subject(net, optimizer=torch.optim.LBFGS(net.parameters(), max_iter=2)).train(2)[0] > 0


def test_batches_are_tensors_tuples_or_mappings() -> None:
    x, y = batches(1)[0]
    assert Batch.of({"input": x, "label": y, "length": 3}).targets is y
    assert Batch.of((x, x, y)).inputs == (x, x)
    assert Batch.of(x).targets is None
    changed = Batch.of({"input": x, "label": y}).with_inputs(x + 1)
    assert torch.equal(changed.raw["input"], x + 1)
    assert changed.raw["label"] is y
    assert Batch.of((x, y)).with_targets(y + 1).raw[0] is x
    with pytest.raises(SpikecheckError, match="a batch must be"):
        Batch.of("x")


def test_batches_that_an_encoder_with_weights_made_are_used_more_than_once() -> None:
    encoder = nn.Linear(CHANNELS, CHANNELS)
    encoded = [{"x": encoder(x), "y": y} for x, y in batches(2)]
    own = Subject.of(Net(), encoded, F.cross_entropy)
    assert len(own.train(6)) == 6
    assert torch.equal(own.batches[0].first, encoded[0]["x"])
    assert encoder.weight.grad is None


def test_scores_are_summed_over_the_time_axis() -> None:
    y = torch.tensor([0, 1, 2, 0])
    assert class_scores(torch.ones(9, 4, CLASSES), y).shape == (4, CLASSES)
    assert class_scores(torch.ones(4, 9, CLASSES), y).shape == (4, CLASSES)
    assert class_scores(torch.ones(4, 2), y) is None
    assert class_scores((torch.ones(4, CLASSES), None), y) is not None


def test_regression_has_losses_and_no_accuracy() -> None:
    one = Subject.of(nn.Linear(3, 1), [(torch.randn(4, 3), torch.randn(4, 1)) for _ in range(4)], F.mse_loss, None)
    assert isinstance(one.optimizer, torch.optim.Adam)
    assert one.evaluate().accuracy is None
    assert len(one.evaluate().losses) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((lambda x: x, batches(2), F.cross_entropy), "needs a torch.nn.Module"),
        ((Net(), [], F.cross_entropy), "there is none"),
        ((Net(), batches(2), None), "needs loss_fn"),
        ((Net(), batches(2), "loss"), "loss_fn= takes a function"),
        ((Net(), [x for x, _ in batches(2)], F.cross_entropy), "a loss needs targets"),
        ((nn.ReLU(), batches(2), F.cross_entropy), "no trainable parameter"),
        ((Net(), batches(2), F.cross_entropy, "adam"), "optimizer= takes"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(arguments, message) -> None:
    with pytest.raises(SpikecheckError, match=message):
        Subject.of(*arguments)


def test_a_network_that_has_learned_all_its_batches_is_trained_no_further() -> None:
    quick, slow = subject(batches=batches(4), rate=0.1), subject(batches=batches(4))
    watched = [run_isolated(partial(watch, seconds=60.0), one).get() for one in (quick, slow)]
    assert len(quick.training) < watched[0].updates < watched[1].updates == UPDATES
    assert watched[0].after.accuracy == 1
    trial = run_trial(quick)
    assert trial.losses == watched[0].losses
    assert trial.latest == trial.evaluation == watched[0].after
