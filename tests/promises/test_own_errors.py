"""spikecheck's own error never stops the training: it is said once, and the monitor steps aside."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import spikecheck
from spikecheck.checks.judge import Judge
from spikecheck.errors import SpikecheckWarning
from spikecheck.probe.optimizer import OptimizerWatch
from spikecheck.probe.recorder import LayerCalls
from spikecheck.probe.session import Session
from spikecheck.probe.training import Training
from spikecheck.stats.parameters import GradientStats
from spikecheck.stats.potentials import DriveStats
from spikecheck.stats.spikes import SpikeStats
from tests.promises.networks import Run, assert_same, by_hand


class Mistake(Exception):
    """What a programming error of ours would be."""


def wrong(*args: Any, **kwargs: Any) -> Any:
    raise Mistake("a made-up mistake")


# Where an error of ours can come up: in each room, and at each of the places where torch calls us.
PLACES = {
    "counting spikes": (SpikeStats, "measure"),
    "counting currents": (DriveStats, "measure"),
    "counting gradients": (GradientStats, "measure"),
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
        patch.setattr(SpikeStats, "measure", wrong)
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
    monkeypatch.setattr(SpikeStats, "measure", wrong)
    with pytest.raises(Mistake):
        run.train(1)
    assert not monitor.watching
    run.train(1)


def test_where_the_report_is_asked_for_there_is_no_training_to_protect(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(by_hand())
    with spikecheck.attach(run.model, on_finding=lambda _: None) as monitor:
        run.train(1)
        monkeypatch.setattr(SpikeStats, "summarize", wrong)
        with pytest.raises(Mistake):
            monitor.report()
