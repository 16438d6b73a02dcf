"""Several monitors, several threads, and a forward pass that is interrupted: each report has its own, and all of it."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.assertions.watched import isolated_copy
from spikecheck.monitor import Monitor
from spikecheck.probe import session
from tests.full import every_time
from tests.promises.networks import INPUTS, STEPS, Run, Spike, batch, by_hand, in_snntorch

PACKAGE = Path(spikecheck.__file__).parent


def quietly(model: nn.Module, **options: Any) -> Monitor:
    return spikecheck.attach(model, every=1, on_finding=lambda _: None, **options)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def layers(monitor: Monitor) -> list[str]:
    return [row.name for row in monitor.report().layers]


class Tapping(nn.Module):
    """Functional code that shows its spikes under a name of its own."""

    def __init__(self, name: str, inputs: int = 6) -> None:
        super().__init__()
        self.fc, self.name = nn.Linear(inputs, 6), name

    def forward(self, x: Tensor) -> Tensor:
        spikes: Tensor = Spike.apply(self.fc(x))
        return self.fc(x) + spikecheck.tap(self.name, spikes)


# -- two watched models: a tap, a loss and a backward pass go to the right one


def test_each_of_two_models_that_tap_has_its_own_layer() -> None:
    one, other = Tapping("one"), Tapping("other")
    first, second = quietly(one), quietly(other)
    for _ in range(3):
        one(torch.rand(4, 6)).sum().backward()
        other(torch.rand(4, 6)).sum().backward()
    with torch.no_grad():
        one(torch.rand(4, 6))
    assert (layers(first), layers(second)) == (["one"], ["other"])
    assert [m.report().layers[0].spikes.forward_passes for m in (first, second)] == [3, 3]


def test_of_two_models_one_inside_the_other_the_inner_one_taps() -> None:
    inner = Tapping("inner")
    outer = nn.Sequential(nn.Linear(6, 6), inner)
    first, second = quietly(outer), quietly(inner)
    outer(torch.rand(64, 6)).sum().backward()  # many values, so that the product does not look like spikes
    assert (layers(first), layers(second)) == (["1"], ["inner"])  # the outer one sees where the function is applied


def test_code_that_calls_no_model_is_told_by_the_parameters_it_computes_with() -> None:
    one, other = nn.Linear(6, 6), nn.Linear(6, 6)
    first, second = quietly(one), quietly(other)
    for model, name in ((one, "one"), (other, "other"), (one, "one")):
        current = F.linear(torch.rand(4, 6), model.weight)
        spikecheck.tap(name, Spike.apply(current))
    assert (layers(first), layers(second)) == (["one"], ["other"])


def test_a_tap_that_nothing_tells_the_owner_of_is_said_to_be_unseen_by_both() -> None:
    monitors = [quietly(nn.Linear(2, 2)), quietly(nn.Linear(2, 2))]
    assert torch.equal(spikecheck.tap("hidden", torch.ones(2, 3)), torch.ones(2, 3))
    for monitor in monitors:
        monitor.model(torch.ones(1, 2))
        assert not layers(monitor)
        assert any("hidden: several models are watched" in str(line) for line in monitor.report().unseen)


@pytest.mark.parametrize("build", [by_hand, in_snntorch])
def test_a_teacher_and_a_student_have_their_own_losses_and_updates(build: Callable[[], nn.Module]) -> None:
    teacher, student = build(), build()
    first, second = quietly(teacher), quietly(student)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(4):
        x, y = batch()
        with torch.no_grad():
            soft_targets = teacher(x).softmax(1)
        loss = F.cross_entropy(student(x), y) + F.kl_div(student(x).log_softmax(1), soft_targets, reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    taught, teaching = second.report(), first.report()
    assert (taught.updates, teaching.updates) == (4, 0)
    assert first._session.snapshot(live=False).run.backward_passes == 0
    assert second._session.snapshot(live=False).run.backward_passes == 4
    assert [row.name for row in taught.layers] == [row.name for row in teaching.layers]
    assert taught.layers[0].spikes.forward_passes == 8
    assert not teaching.losses


# -- threads


def in_thread(call: Callable[[], object]) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_an_assertion_pauses_watching_in_its_own_thread_alone() -> None:
    model, other = by_hand(), by_hand()
    monitor = quietly(model)
    with isolated_copy(other) as twin:
        twin(batch()[0])
        model(batch()[0])  # in the thread of the assertion: not watched
        assert monitor.watching
        in_thread(lambda: Run(model).train(5))
    Run(model).train(2)
    report = monitor.report()
    assert (report.forward_passes, report.updates) == (7, 7)


def test_what_an_assertion_watches_receives_nothing_of_another_thread() -> None:
    with isolated_copy(by_hand()) as twin:
        inside = quietly(twin)
        in_thread(lambda: Run(by_hand()).train(2))
        assert inside.report().updates == 0
        twin(batch()[0])
    assert inside.report().forward_passes == 1


def test_assertions_in_four_threads_do_not_disturb_each_other_or_the_training() -> None:
    model, errors = by_hand(), []
    x, y = batch(32)

    def assert_often() -> None:
        try:
            for _ in range(3):
                spikecheck.assert_spikes_binary(by_hand(), (x, y))
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    monitor = quietly(model)
    threads = [threading.Thread(target=assert_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    Run(model).train(20)
    for thread in threads:
        thread.join()
    assert not errors
    assert monitor.watching
    assert (monitor.report().forward_passes, monitor.report().updates) == (20, 20)


@pytest.mark.parametrize("build", every_time([by_hand, in_snntorch], always=[by_hand]))
def test_reports_from_other_threads_while_it_trains(build: Callable[[], nn.Module]) -> None:
    model, errors, done = build(), [], threading.Event()
    monitor, reports = quietly(model), []

    def report() -> None:
        try:
            while not done.is_set():
                reports.append(monitor.report().updates)
                monitor.state_dict()
                repr(monitor)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    Run(model).train(60)
    done.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert reports
    assert monitor.watching
    last = monitor.report()
    assert (last.updates, last.forward_passes, last.layers[0].spikes.forward_passes) == (60, 60, 60)


def test_a_callback_may_wait_for_a_thread_that_asks_for_a_report() -> None:
    reports = []
    model = by_hand()
    nn.init.constant_(model.get_parameter("fc1.weight"), torch.nan)
    monitor = spikecheck.attach(
        model, every=1, on_finding=lambda _: in_thread(lambda: reports.append(monitor.report().updates))
    )
    Run(model).train(15)
    assert reports
    assert monitor.watching


def test_two_threads_that_call_a_model_at_once_have_a_forward_pass_each() -> None:
    entered, left = threading.Event(), threading.Event()

    class Waits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if threading.current_thread() is not threading.main_thread():
                entered.set()
                left.wait(30)
            return x

    model = nn.Sequential(in_snntorch(), Waits())
    monitor = quietly(model)
    thread = threading.Thread(target=lambda: model(batch()[0]))
    thread.start()
    entered.wait(30)
    model(batch()[0])
    left.set()
    thread.join()
    model(batch()[0])
    report = monitor.report()
    assert report.forward_passes == 3
    assert [(row.spikes.forward_passes, row.spikes.time_steps) for row in report.layers] == [(3, 3 * STEPS)] * 2
    assert len(monitor._session.passes.by_thread) == 1


# -- a forward pass that never returns


class Interrupted(BaseException):
    """Like KeyboardInterrupt: no Exception, so that torch calls no hook."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted, RuntimeError, SystemExit])
@pytest.mark.parametrize("where", ["fc1", "lif", "fc2"])
def test_after_an_interrupt_in_a_forward_pass_the_next_one_is_seen(error: type[BaseException], where: str) -> None:
    model = by_hand()
    run, monitor = Run(model), quietly(model)
    run.train(2)

    def interrupt(*_: Any) -> None:
        raise error

    handle = model.get_submodule(where).register_forward_hook(interrupt)
    with suppress(error):
        run.train(1)
    handle.remove()
    run.train(3)
    report = monitor.report()
    assert (report.forward_passes, report.updates) == (6, 5)
    assert report.layers[0].spikes.forward_passes == (5 if where == "fc1" else 6)  # ours run first
    assert monitor.watching


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_after_an_interrupt_without_gradients_and_between_models(error: type[BaseException]) -> None:
    one, other = Tapping("one"), Tapping("other")
    first, second = quietly(one), quietly(other)

    def interrupt(*_: Any) -> None:
        raise error

    handle = one.fc.register_forward_hook(interrupt)
    with suppress(error), torch.no_grad():
        one(torch.rand(4, 6))
    handle.remove()
    with torch.no_grad():
        other(torch.rand(4, 6))
    assert (layers(first), layers(second)) == ([], ["other"])


def test_after_an_interrupt_in_a_backward_pass_and_in_a_step() -> None:
    model = by_hand()
    run, monitor = Run(model), quietly(model)
    run.train(1)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    handle = model.get_parameter("fc1.weight").register_hook(interrupt)  # type: ignore[no-untyped-call]
    with suppress(KeyboardInterrupt):
        run.train(1)
    handle.remove()
    step = run.optimizer.register_step_pre_hook(interrupt)
    with suppress(KeyboardInterrupt):
        run.train(1)
    step.remove()
    run.train(2)
    report = monitor.report()
    assert (report.forward_passes, report.updates) == (5, 3)
    assert monitor.watching


def test_a_model_that_calls_itself_is_one_forward_pass() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = by_hand()

        def forward(self, x: Tensor, again: bool = True) -> Tensor:
            y: Tensor = self(x, again=False) if again else self.inner(x)
            return y

    model = Twice()
    monitor = quietly(model)
    for _ in range(3):
        model(torch.rand(6, 4, INPUTS)).sum().backward()
    assert monitor.report().forward_passes == 3


# -- what a monitor says of itself, and where state may be kept


def test_a_monitor_says_what_it_watches() -> None:
    model = in_snntorch()
    run, monitor = Run(model), quietly(model)
    name = type(model).__name__
    assert repr(monitor) == f"<Monitor of {name}: 2 spiking layers (snntorch), 0 updates>"
    run.train(1)
    assert repr(monitor) == f"<Monitor of {name}: 2 spiking layers (snntorch), 1 update>"
    monitor.detach()
    assert repr(monitor) == f"<Monitor of {name}: 2 spiking layers (snntorch), 1 update, detached>"


CHANGEABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MADE_ONCE = {"watchers", "LIBRARY", "__all__"}  # the one owner of state; an operator of torch, never changed
PLAIN = (
    "auto",
    "field",
    "find",
    "Layout",
    "Site",
    "struct.Struct",
    "tuple",
    "TypeVar",
)  # calls whose result does not change


def test_nothing_that_watches_keeps_state_in_a_module() -> None:
    files = [PACKAGE / name for name in ("monitor.py", "api.py")]
    files += [*PACKAGE.joinpath("probe").rglob("*.py"), *PACKAGE.joinpath("assertions").rglob("*.py")]
    state = []
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        state += [f"{path.name}: global" for node in ast.walk(tree) if isinstance(node, ast.Global)]
        bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
        for statement in (s for body in bodies for s in body if isinstance(s, ast.Assign | ast.AnnAssign)):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            name = ast.unparse(target)
            constant = name.isupper() and not isinstance(statement.value, ast.Call)
            calls = isinstance(statement.value, ast.Call) and ast.unparse(statement.value.func) not in PLAIN
            if name not in MADE_ONCE and not constant and (isinstance(statement.value, CHANGEABLE) or calls):
                state.append(f"{path.name}: {ast.unparse(statement)}")
    assert not state


def test_the_monitor_uses_nothing_of_a_session_but_its_interface() -> None:
    tree = ast.parse(PACKAGE.joinpath("monitor.py").read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self._session"
    }
    interface = {"install", "remove", "settle", "snapshot", "refresh", "describe", "update", "forward_passes"}
    assert used == interface
    for name in interface:
        assert f"`{name}`" in (session.__doc__ or "")
