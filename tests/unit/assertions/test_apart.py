"""An assertion leaves the model, the random state and attached monitors as they were; it says what it cannot do."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spikecheck as sc
from spikecheck.probe.watchers import watchers
from tests.unit.assertions.networks import LIF, Mistakes, Net, batch, loss

WITH_LOSS = (
    sc.assert_logits_in_range,
    sc.assert_initial_loss_near_chance,
    sc.assert_gradients_reach_every_parameter,
    sc.assert_learns_one_batch,
    sc.assert_healthy,
)
WITHOUT = (
    sc.assert_binary_input,
    sc.assert_spikes_binary,
    sc.assert_no_dead_layers,
    sc.assert_state_resets,
    sc.assert_batch_independent,
    sc.assert_causal_in_time,
)


class Noisy(nn.Module):
    """Draws random numbers of three kinds, keeps its state on the graph, and has running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.fc1 = nn.BatchNorm1d(5), nn.Linear(5, 6)
        self.lif1, self.drop, self.fc2 = LIF(Mistakes(threshold=0.3)), nn.Dropout(0.2), nn.Linear(6, 2)
        self.state: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        random.random()
        np.random.rand()
        spikes = self.lif1(self.fc1(self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])))
        self.state = spikes.sum(1)
        return self.fc2(self.drop(spikes)).mean(1)


def everything(model: nn.Module) -> tuple[object, ...]:
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    values = [value.clone() for value in model.state_dict().values()]
    random_states = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    return values, grads, model.training, [*vars(model)], random_states


def same(a: object, b: object) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(same, a, b))
    return a == b


ADAM = torch.optim.Adam([torch.zeros(1, requires_grad=True)])


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("check", [*WITHOUT, *WITH_LOSS], ids=lambda check: check.__name__)
def test_the_model_and_every_random_state_stay_as_they_were(check: Callable[..., None], training: bool) -> None:
    torch.manual_seed(0)
    model = Noisy().train(training)
    loss(model(batch()[0]), batch()[1]).backward()
    stored, before = model.state, everything(model)
    with suppress(sc.UnhealthyError):  # healthy or not, nothing may change
        check(model, batch(), loss) if check in WITH_LOSS else check(model, batch())
    assert same(before, everything(model))
    assert model.state is stored


def test_an_attached_monitor_sees_nothing_of_it() -> None:
    model = Net()
    with sc.attach(model, on_finding=lambda finding: None) as monitor:
        loss(model(batch()[0]), batch()[1]).backward()
        before = monitor.report().to_dict()
        sc.assert_learns_one_batch(model, batch(), loss, 30, max_loss_ratio=0.95)
        sc.assert_healthy(model, batch(), loss)
        after = monitor.report().to_dict()
        assert watchers.all() == watchers.of(model)
    assert {**before, "cost": 0} == {**after, "cost": 0}


def test_spikes_that_are_tapped_are_seen() -> None:
    class Functional(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([sc.tap("hidden", step) for step in x.unbind(1)], 1).mean((1, 2))

    sc.assert_spikes_binary(Functional(), batch())
    with pytest.raises(sc.UnhealthyError, match="hidden, first at time step"):
        sc.assert_spikes_binary(Functional(), batch(counts=True))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sc.assert_spikes_binary(Net(), batch(), layer="lif2"), "there are lif1"),
        (lambda: sc.assert_spikes_binary(nn.Linear(5, 2), batch()), "no spiking layer was observed"),
        (lambda: sc.assert_spikes_binary(Net(), 3), "batch= takes the input tensor"),
        (lambda: sc.assert_spikes_binary(3, batch()), "model= takes a torch.nn.Module"),
        (lambda: sc.assert_healthy(Net(), batch(), loss, fail_on="fatal"), "note, warning, error"),
        (lambda: sc.assert_firing_rate(Net(), batch(), 0.5, 0.1), "low=0.5 is above high=0.1"),
        (lambda: sc.assert_initial_loss_near_chance(Net(), batch()[0], loss), "needs a target"),
        (lambda: sc.assert_initial_loss_near_chance(Net(), batch(), lambda y, t: y.sum()), "pass classes="),
        (lambda: sc.assert_learns_one_batch(Net(), batch(), lambda y, t: y), "must return a tensor with one element"),
        (lambda: sc.assert_batch_independent(Net(), batch()[0][:1]), "at least 2 samples"),
        (lambda: sc.assert_batch_independent(Net(), batch(empty=True)), "all zeros"),
        (lambda: sc.assert_causal_in_time(nn.Linear(5, 2), batch()), "axis of the input"),
        (lambda: sc.assert_binary([1, 0]), "takes a tensor"),
        (lambda: sc.assert_healthy(Net(), batch()[0], loss), "needs a target"),
        (lambda: sc.assert_learns_one_batch(Net(), batch()[0], loss), "needs a target"),
        (lambda: sc.assert_healthy(Net(), batch(), loss, 0), "updates= must be a positive integer, got 0"),
        (lambda: sc.assert_healthy(Net(), batch(), lambda y, t: y), "must return a tensor with one element"),
        (lambda: sc.assert_healthy(Net(), batch(), loss, optimizer=ADAM), "optimizer= takes a function .*got Adam"),
        (lambda: sc.assert_learns_one_batch(Net(), batch(), loss, optimizer=ADAM), "optimizer= takes a function"),
        (lambda: sc.assert_healthy(Net(), batch(), loss, settings={"SPK999": {}}), "SPK999: no check has this id"),
        (lambda: sc.assert_checkpoint_healthy("no", settings={"ignor": 3}), "did you mean ignore"),
        (lambda: sc.assert_logits_in_range(Net(), batch(), low=1, high=0), "low=1 is above high=0"),
        (lambda: sc.assert_initial_loss_near_chance(Net(), batch(), loss, factor=0), "factor= must be 1 or more"),
    ],
)
def test_what_cannot_be_asked_is_said_and_never_passes(call: Callable[[], None], says: str) -> None:
    with pytest.raises(sc.SpikecheckError, match=says):
        call()


def test_what_was_not_judged_is_not_healthy() -> None:
    with pytest.raises(sc.UnhealthyError, match="no spiking layer was observed"):
        sc.assert_healthy(nn.Sequential(nn.Flatten(), nn.Linear(30, 2)), batch(), loss)


def test_layers_are_picked_by_name_pattern_and_list() -> None:
    for layer in ("lif1", "lif*", ["l?f1"], None):
        sc.assert_firing_rate(Net(), batch(), 0.1, 0.5, layer=layer)


def test_reset_is_what_the_training_loop_calls_before_each_batch() -> None:
    def reset(model: nn.Module) -> None:
        model.lif1.stored = None

    sc.assert_state_resets(Net(carry=True, threshold=1.6), batch(), reset=reset)


def test_axes_that_the_shapes_leave_open_can_be_told() -> None:
    square = batch()[0][:, :4]  # four samples, four steps
    sc.assert_batch_independent(Net(), square, time_axis=1, batch_axis=0)
    sc.assert_causal_in_time(Net(), square, time_axis=1, batch_axis=0)


def test_a_finding_can_be_ignored_or_let_pass() -> None:
    sc.assert_healthy(Net(threshold=100.0), batch(), loss, ignore=["SPK203:lif1", "SPK205"])


def test_a_checkpoint(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pt", tmp_path / "bad.pt"
    torch.manual_seed(0)
    model = nn.Linear(5, 3)
    torch.save(model.state_dict(), good)
    sc.assert_checkpoint_healthy(good)
    with torch.no_grad():
        model.weight[1, 2] = torch.nan
    torch.save(model.state_dict(), bad)
    with pytest.raises(sc.UnhealthyError, match=r"(?s)1 finding of severity warning or above.*bad\.pt.*NaN") as caught:
        sc.assert_checkpoint_healthy(bad)
    assert caught.value.report is not None
    check = caught.value.report.findings[0].check
    sc.assert_checkpoint_healthy(bad, ignore=[check])
