"""A trial changes nothing of the user's, in a child or in place; errors, crashes and long trials come back as data."""

from __future__ import annotations

import copy
import os
import random
import signal
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from spikecheck import api
from spikecheck.errors import SpikecheckError
from spikecheck.examination import isolation
from spikecheck.examination.isolation import FailureKind, run_isolated, take_batches
from spikecheck.probe.model_state import ModelState
from tests.unit.examination.subjects import LIF, Net, batches, subject


@pytest.fixture
def fork(request, monkeypatch) -> bool:
    if not request.param:
        monkeypatch.setattr(isolation, "can_fork", lambda subject=None: False)
    elif not isolation.can_fork():
        pytest.skip("a process cannot be forked here")
    return request.param


every_way = pytest.mark.parametrize("fork", [True, False], ids=["in a child", "in place"], indirect=True)


def closure_as_forward() -> nn.Module:
    net = Net()
    inner = net.forward
    net.forward = lambda x: inner(x.flip(1))
    return net


def carried_state() -> nn.Module:
    net = Net(LIF(carry=True))
    net(batches(1)[0][0])
    return net


def normalized() -> nn.Module:
    net = Net()
    net.norm = nn.BatchNorm1d(3)
    inner = net.forward
    net.forward = lambda x: net.norm(inner(x))
    return net


def state_of(one) -> dict:
    """Everything of a subject, to be compared bit for bit."""
    modules = {name: dict(vars(module)) for name, module in one.model.named_modules()}
    tensors = {f"{name} {key}": value for name, held in modules.items() for key, value in held.items()}
    return {
        "attributes": {key: id(value) for key, value in tensors.items()},
        "values": {key: v.clone() for key, v in tensors.items() if isinstance(v, torch.Tensor)},
        "parameters": [(id(p), p.detach().clone(), id(p.grad)) for p in one.model.parameters()],
        "buffers": [b.clone() for b in one.model.buffers()],
        "optimizer": copy.deepcopy(one.optimizer.state_dict()),
        "random": (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()),
    }


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return bool((a == b).all())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def harmful(one):
    losses = one.train(4)
    one.model.lif.threshold = 5.0
    one.model.fc2 = nn.Linear(2, 2)
    one.model.half()
    one.optimizer.param_groups[0]["lr"] = 7.0
    one.model.eval()
    one.model.fc1.weight.requires_grad_(False)
    one.model.register_forward_hook(lambda *args: None)
    one.batches = ()
    return losses


@every_way
@pytest.mark.parametrize("build", [Net, closure_as_forward, carried_state, normalized])
def test_nothing_of_the_users_changes(fork, build) -> None:
    one = subject(build())
    one.train(2)  # the optimizer has a state, and the parameters have gradients
    before = state_of(one)
    first = run_isolated(harmful, one)
    assert same(state_of(one), before)
    assert len(one.batches) == 16
    assert first.failure is None
    assert run_isolated(harmful, one).value == first.value, "a second trial starts from the same state"


def test_a_child_computes_what_the_parent_would() -> None:
    one = subject(closure_as_forward())
    in_child = run_isolated(lambda own: own.train(5), one).get()
    assert in_child == one.train(5)


@every_way
def test_an_exception_comes_back_with_its_line(fork) -> None:
    def experiment(one):
        raise RuntimeError("shapes do not fit")

    result = run_isolated(experiment, subject())
    assert result.failure.kind is FailureKind.RAISED
    assert "RuntimeError: shapes do not fit" in str(result.failure)
    assert "test_isolation.py, line" in str(result.failure)
    with pytest.raises(SpikecheckError, match="shapes do not fit"):
        result.get()


@every_way
def test_a_trial_that_makes_updates_stops_at_its_deadline(fork) -> None:
    def experiment(one):
        while True:
            one.train(1)

    result = run_isolated(experiment, subject(), seconds=0.1)
    assert result.failure.kind is FailureKind.TIMED_OUT


def test_a_trial_within_a_trial_ends_with_it() -> None:
    def outer(one):
        return run_isolated(lambda own: own.deadline, one, seconds=1000).value

    start = time.monotonic()
    assert run_isolated(outer, subject(), seconds=30).value <= start + 31


def test_a_child_that_hangs_is_stopped(monkeypatch) -> None:
    monkeypatch.setattr(isolation, "GRACE", 0.0)
    result = run_isolated(lambda one: time.sleep(60), subject(), seconds=0.2)
    assert result.failure.kind is FailureKind.TIMED_OUT
    assert "was stopped" in str(result.failure)


def test_a_child_that_is_killed_is_named() -> None:
    result = run_isolated(lambda one: os.kill(os.getpid(), signal.SIGSEGV), subject())
    assert result.failure.kind is FailureKind.KILLED
    assert "SIGSEGV" in str(result.failure)


def test_a_child_that_exits_is_named() -> None:
    result = run_isolated(lambda one: exit(3), subject())
    assert result.failure.kind is FailureKind.KILLED


def test_a_result_that_cannot_be_sent_is_named() -> None:
    result = run_isolated(lambda one: lambda: None, subject())
    assert "cannot be sent" in str(result.failure)


def test_a_child_prints_nothing_and_leaves_no_process(capfd) -> None:
    def print_and_say_who(one) -> int:
        sys.stdout.write("from Python")
        os.write(1, b"from C")
        return os.getpid()

    child = run_isolated(print_and_say_who, subject()).get()
    assert capfd.readouterr().out == ""
    assert child != os.getpid()
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)  # not -1: other tests may have children of their own


@every_way
def test_a_monitor_of_the_users_does_not_see_a_trial(fork) -> None:
    one = subject()
    with api.attach(one.model) as monitor:
        run_isolated(lambda own: own.train(3), one)
    assert monitor.report().updates == 0


def test_in_place_what_is_not_put_back_is_noticed() -> None:
    net = Net()
    snapshot = ModelState.of([net], None)
    with torch.no_grad():
        net.fc1.weight.zero_()
    assert list(snapshot.differences())
    snapshot.restore()
    assert not list(snapshot.differences())


def test_a_library_may_give_the_names_of_torch_another_meaning() -> None:
    class Named(Net):
        def parameters(self, recurse: bool = True):
            return {name: value for name, value in self.named_parameters()}

        def modules(self):
            return {name: module for name, module in self.named_modules()}

    one = subject(Named(), optimizer=torch.optim.Adam(nn.Module.parameters(Net()), lr=0.1))
    assert run_isolated(lambda own: own.evaluate().loss, one).get() > 0
    assert type(subject(Named(), optimizer=one.optimizer).evaluate().accuracy) is float


# -- batches


@every_way
def test_the_batches_of_a_loader_cost_no_random_number(fork) -> None:
    x, y = batches(1, samples=64)[0]
    loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
    before = torch.get_rng_state()
    taken = take_batches(loader, 3)
    assert len(taken) == 3
    assert torch.equal(torch.get_rng_state(), before)


def test_a_generator_is_not_used_up() -> None:
    data = batches(6)
    generator = iter(batch for batch in data)
    assert len(take_batches(generator, 4)) == 4
    assert next(generator) is data[0]


def test_in_place_a_generator_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(isolation, "can_fork", lambda subject=None: False)
    with pytest.raises(SpikecheckError, match="would be used up"):
        take_batches(iter(batches(2)), 2)


def test_a_view_is_sent_without_the_rest_of_its_data() -> None:
    whole = torch.zeros(1_000_000)
    taken = take_batches((whole[i : i + 2].reshape(2, 1) for i in range(2)), 2)
    assert taken[0].untyped_storage().nbytes() < 100


def test_one_batch_is_a_batch() -> None:
    x, y = batches(1)[0]
    assert take_batches((x, y), 5) == [(x, y)]
    assert take_batches(x, 5)[0] is x


def test_what_gives_no_batches_is_named() -> None:
    with pytest.raises(SpikecheckError, match="takes a DataLoader"):
        take_batches(3, 2)

    def broken():
        yield batches(1)[0]
        raise ValueError("no such file")

    with pytest.raises(SpikecheckError, match="no such file"):
        take_batches(broken(), 2)
