"""spikecheck's own error never stops the training: it is said once, and the monitor steps aside."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import types
from typing import Any

import pytest
import torch

import spikecheck
from spikecheck import probe, stats
from spikecheck.checks.judge import Judge
from spikecheck.errors import SpikecheckWarning
from spikecheck.probe.optimizer import OptimizerWatch
from spikecheck.probe.recorder import LayerCalls
from spikecheck.probe.session import Session
from spikecheck.probe.training import Training
from spikecheck.probe.watchers import watchers
from spikecheck.stats.parameters import GradientStats
from spikecheck.stats.potentials import DriveStats
from spikecheck.stats.spikes import SpikeStats
from tests.full import every_time
from tests.promises.networks import Run, assert_same, by_hand


class Mistake(Exception):
    """What a programming error of ours would be."""


def wrong(*args: Any, **kwargs: Any) -> Any:
    raise Mistake("a made-up mistake")


# Where an error of ours can come up: in each room, and at each of the places where torch calls us.
PLACES = {
    "counting spikes": (SpikeStats, "measure_raster"),
    "counting currents": (DriveStats, "measure_raster"),
    "counting gradients": (GradientStats, "measure_many"),
    "saying it": (SpikeStats, "summarize"),
    "judging": (Judge, "verdicts"),
    "before the model": (Session, "forward_begins"),
    "after the model": (Session, "forward_ended"),
    "in a layer": (LayerCalls, "observe"),
    "at the loss": (Training, "loss_computed"),
    "before backward": (Training, "backward_begins"),
    "after backward": (Training, "backward_ended"),
    "before the step": (OptimizerWatch, "before_step"),
    "after the step": (OptimizerWatch, "after_step"),
}


class Switch:
    """Breaks a method when it is thrown; hooks are bound when they are put on, so it has to be built in before."""

    def __init__(self, owner: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        original, self.thrown = getattr(owner, name), False
        monkeypatch.setattr(owner, name, lambda *args, **kw: (wrong if self.thrown else original)(*args, **kw))


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_training_goes_on_as_if_nothing_were_attached(
    place: tuple[type, str], monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    torch.manual_seed(0)
    bare = Run(by_hand()).train(8).weights()
    torch.manual_seed(0)
    run = Run(by_hand())
    switch = Switch(*place, monkeypatch)
    monitor = spikecheck.attach(run.model, on_finding="warn")
    run.train(3)
    assert monitor.watching
    recwarn.clear()
    switch.thrown = True
    assert_same(run.train(5).weights(), bare)
    assert not monitor.watching
    warned = [str(w.message) for w in recwarn if issubclass(w.category, SpikecheckWarning)]
    texts = [text for text in warned if "SPK001" in text]
    assert len(texts) == 1
    assert "a made-up mistake" in texts[0]


def test_the_report_says_what_happened_and_where_and_keeps_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None)
    run.train(3)
    with monkeypatch.context() as patch:
        patch.setattr(SpikeStats, "measure_raster", wrong)
        run.train(2)
    report = monitor.report()
    (finding,) = [f for f in report.findings if f.check == "SPK001"]
    assert "Mistake: a made-up mistake" in finding.message
    assert "test_own_errors.py" in finding.observed.text
    assert str(wrong.__code__.co_firstlineno + 1) in finding.observed.text
    assert finding.when.update == 3
    assert report.updates == 3
    assert report.layers[0].spikes.forward_passes == 3
    assert "SPK001" in str(report)


def test_the_users_own_errors_are_not_ours() -> None:
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, on_finding=lambda _: None)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run.model(torch.ones(6, 4, 3))
    with pytest.raises((IndexError, RuntimeError), match=r"out of bounds|Target"):
        torch.nn.functional.cross_entropy(run.model(torch.ones(6, 4, 10)), torch.tensor([0, 1, 2, 99]))
    assert monitor.watching
    run.train(2)
    report = monitor.report()
    monitor.detach()
    assert report.updates == 2
    assert not [f for f in report.findings if f.check == "SPK001"]


def test_asked_to_raise_it_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(by_hand())
    monitor = spikecheck.attach(run.model, on_finding="raise")
    monkeypatch.setattr(SpikeStats, "measure_raster", wrong)
    with pytest.raises(Mistake):
        run.train(1)
    assert not monitor.watching
    run.train(1)


def test_a_statistic_that_fails_in_the_report_costs_its_own_numbers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(by_hand())
    with spikecheck.attach(run.model, on_finding=lambda _: None) as monitor:
        run.train(4)  # the last update is not judged, so that its report reads numbers for the first time
        monkeypatch.setattr(DriveStats, "summarize", wrong)
        report = monitor.report()
    assert [f.check for f in report.findings if f.check == "SPK001"] == ["SPK001"]
    assert report.layers
    assert report.layers[0].drive is None
    assert report.losses
    assert report.to_json()
    assert monitor.state_dict()


def test_an_error_in_attach_leaves_a_monitor_that_watches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(by_hand())
    before = [len(module._forward_hooks) for module in run.model.modules()]
    monkeypatch.setattr(Session, "install", wrong)
    with pytest.warns(SpikecheckWarning, match="a made-up mistake"):
        monitor = spikecheck.attach(run.model)
    assert not monitor.watching
    assert [f.check for f in monitor.report().findings] == ["SPK001"]
    assert [len(module._forward_hooks) for module in run.model.modules()] == before
    run.train(1)


def places_of_errors() -> list[tuple[Any, str]]:
    """Every function and method of the rooms that run while a model trains: a new one is covered by itself."""
    places: list[tuple[Any, str]] = []
    rooms = [info.name for room in (probe, stats) for info in pkgutil.walk_packages(room.__path__, room.__name__ + ".")]
    for name in (*rooms, *JUDGING):
        if ".frameworks." in name and not name.endswith(("base", "generic")):
            continue  # their libraries need not be installed
        module = importlib.import_module(name)
        classes = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == name]
        for owner in (module, *classes):
            places += [(owner, key) for key, value in vars(owner).items() if is_place(value, name)]
    return [place for place in places if f"{place[0].__name__}.{place[1]}" not in NO_PLACES]


def is_place(value: Any, module: str) -> bool:
    """Return whether it is a function of its own that is written in this module, and no part of Python's machinery."""
    function = isinstance(value, types.FunctionType) and value.__module__ == module
    return function and (not value.__name__.startswith("__") or value.__name__ == "__call__")


# The border itself, which catches what is raised inside of these.
NO_PLACES = {"spikecheck.probe.hook.raise_again", "Training.own_error", "spikecheck.probe.hook.inert"}
NO_PLACES |= {"Hook.__call__", "Hook.pass_on", "GradientHook.__call__", "spikecheck.probe.loss.inform"}
NO_PLACES |= {"CallHook.__call__", "ReturnHook.__call__"}
NO_PLACES |= {f"Watchers.{name}" for name in ("function_applied", "optimizer_steps", "optimizer_stepped")}
JUDGING = ("spikecheck.checks.judge", "spikecheck.checks.progress", "spikecheck.evidence.evidence")
EVERY = places_of_errors()


@pytest.mark.slow
@pytest.mark.parametrize("part", every_time(range(8), always=[0]))
def test_an_error_in_any_function_leaves_training_and_report_alone(
    part: int, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """Raise in every function of the probe and the statistics in turn, from the start and in the middle of training."""

    def weights(attached: bool, place: tuple[Any, str] | None, late: bool) -> Any:
        torch.manual_seed(0)
        run = Run(by_hand())
        if not attached:
            return run.train(2).weights()
        with monkeypatch.context() as patch:
            if place is not None and not late:
                patch.setattr(*place, wrong)
            monitor = spikecheck.attach(run.model)
            run.train(1)
            if place is not None and late:
                patch.setattr(*place, wrong)
            run.train(1)
            report = monitor.report()
            assert json.loads(report.to_json())["verdicts"] is not None
            assert str(report)
            assert monitor.state_dict()["format"]
            assert repr(monitor)
            monitor.detach()
        return run.weights()

    bare, problems = weights(False, None, False), []
    for place in EVERY[part::8]:
        for late in (False, True):
            try:
                assert_same(weights(True, place, late), bare)
            except Exception as error:  # noqa: BLE001 - all of them are listed
                problems.append(f"{place[0].__name__}.{place[1]} {'late' if late else 'early'}: {error!r}")
            for watch in watchers.all():
                watch.remove()
    assert not problems, "\n".join(problems)


def test_the_places_are_many() -> None:
    names = {f"{owner.__name__}.{name}" for owner, name in EVERY}
    assert len(names) > 200
    assert {"Schedule.enter", "Trace.close", "Judge.verdict", "spikecheck.probe.loss.is_plain"} <= names
