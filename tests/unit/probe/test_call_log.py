"""Calls that are noted show what calls through the guard show, and what is out of the ordinary is not noted."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
import snntorch
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.probe import passes
from spikecheck.probe.call_log import MAX_HELD_CALLS, CallLog, is_state_sampled
from spikecheck.probe.frameworks.base import PER_STEP, Observation
from spikecheck.probe.watchers import watchers
from spikecheck.readings import SpikeReading
from spikecheck.site import Moment
from spikecheck.timelines import CurrentTimelineReading, PotentialTimelineReading

STEPS = 10


class Network(nn.Module):
    """A linear layer and a spiking one; `within` runs in the middle of each forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 5)
        self.lif = snntorch.Leaky(beta=0.9)
        self.within = lambda step: None

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the spikes."""
        mem, total = self.lif.init_leaky(), torch.zeros(x.shape[1], 5)
        for step, frame in enumerate(x):
            spikes, mem = self.lif(self.fc(frame * 6), mem)
            total = total + spikes
            self.within(step)
        return total


def train(model: Network, updates: int = 8) -> None:
    """Train for some updates."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(updates):
        optimizer.zero_grad()
        model(torch.rand(STEPS, 4, 6)).sum().backward()
        optimizer.step()


def counted(monitor: spikecheck.Monitor) -> dict[str, Any]:
    """Return the evidence by place, of all forward passes."""
    windows = monitor.evidence().observations.windows["all"]
    return {name: dict(readings) for name, readings in windows.items() if name.startswith("lif")}


def spikes(monitor: spikecheck.Monitor) -> SpikeReading:
    """Return the layer's spikes in all forward passes."""
    reading: SpikeReading = counted(monitor)["lif"][SpikeReading]
    return reading


def run(**patches: Any) -> spikecheck.Monitor:
    """Return a monitor that saw eight updates."""
    torch.manual_seed(0)
    model = Network()
    with spikecheck.attach(model, every=1, on_finding="raise", ignore=["SPK"]) as monitor:
        train(model)
    return monitor


def test_noted_calls_are_counted_as_those_through_the_guard_are(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = counted(run())
    monkeypatch.setattr(passes, "open_logs", lambda *_: [])
    assert counted(run()) == noted


@pytest.mark.parametrize(("step", "current"), [(None, math.nan), (6, math.nan), (6, math.inf)])
def test_a_pass_that_is_not_measured_in_full_shows_the_step_at_which_a_current_is_not_finite(
    step: int | None, current: float
) -> None:
    torch.manual_seed(0)
    model = Network()
    with spikecheck.attach(model, every=1000, on_finding="raise", ignore=["SPK"]) as monitor:
        train(model)
        frames = torch.rand(STEPS, 4, 6)
        if step is not None:
            frames[step, 1, 2] = current
        model(frames).sum().backward()
        readings = counted(monitor)["lif"]
    for kind in (CurrentTimelineReading, PotentialTimelineReading):
        first = readings[kind].non_finite.first if kind in readings else None
        assert first == (None if step is None else Moment(8, step))


def test_most_calls_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[bool] = []
    note = CallLog.note

    def counting(self: CallLog, *args: Any) -> bool:
        notes.append(note(self, *args))
        return notes[-1]

    monkeypatch.setattr(CallLog, "note", counting)
    run()
    per_pass = sum(not is_state_sampled(call) for call in range(STEPS))
    assert sum(notes) == per_pass * sum(passes not in (0, 4) for passes in range(8))


def test_calls_in_another_thread_are_not_noted_in_this_ones_log() -> None:
    log = CallLog(lambda *_: Observation(torch.zeros(1, 2)))
    threads: list[int] = []
    thread = threading.Thread(target=lambda: threads.append(threading.get_ident()))
    thread.start()
    thread.join()
    assert log.thread not in threads


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(Observation(nn.Parameter(torch.zeros(1, 2))), id="a class of its own"),
        pytest.param(Observation(None), id="no spikes"),
        pytest.param(Observation(torch.zeros(1, 2), [1]), id="a current that is no tensor"),  # type: ignore[arg-type]
    ],
)
def test_what_is_out_of_the_ordinary_goes_through_the_guard(shown: Observation) -> None:
    log = CallLog(lambda *_: shown)
    assert not log.note(None, (), {}, None)
    assert log.form is None
    assert log.count == 0


def test_a_tensor_of_inference_mode_has_no_version() -> None:
    with torch.inference_mode():
        x = torch.zeros(1, 2)
    log = CallLog(lambda *_: Observation(x))
    assert log.note(None, (), {}, None)
    assert log.versions[0] == [None]


def test_gradients_that_are_switched_on_within_a_pass_without_are_not_missed() -> None:
    log = CallLog(lambda *_: Observation(torch.zeros(1, 2)), training=False)
    assert not log.note(None, (), {}, None)
    with torch.no_grad():
        assert log.note(None, (), {}, None)
    assert log.form == (PER_STEP, None, 2, False, True, True)


def test_calls_of_another_form_go_through_the_guard() -> None:
    shown = [Observation(torch.zeros(1, 2)), Observation(torch.zeros(1, 2), torch.zeros(1, 2))]
    log = CallLog(lambda *_: shown[log.count])
    assert log.note(None, (), {}, None)
    assert not log.note(None, (), {}, None)
    assert [len(column) for column in log.columns] == [1, 0, 0]


def test_calls_are_handed_on_before_too_many_are_kept() -> None:
    log = CallLog(lambda *_: Observation(torch.zeros(1, 2)), MAX_HELD_CALLS - 2)
    assert [log.note(None, (), {}, None) for _ in range(2)] == [True, False]


def test_what_is_called_while_the_thread_pauses_its_monitors_is_not_counted() -> None:
    torch.manual_seed(0)
    model = Network()
    with spikecheck.attach(model, every=1, on_finding="raise", ignore=["SPK"]) as monitor:
        train(model)
        before = spikes(monitor).elements

        def pause(step: int) -> None:
            if step == 4:
                with watchers.pause():
                    model.lif(torch.ones(4, 5))

        model.within = pause
        train(model, 1)
    assert spikes(monitor).elements == before + STEPS * 4 * 5


def test_a_pass_that_is_interrupted_shows_what_was_called_until_then() -> None:
    torch.manual_seed(0)
    model = Network()

    def interrupt(step: int) -> None:
        if step == 6:
            raise KeyboardInterrupt

    with spikecheck.attach(model, every=1, on_finding="raise", ignore=["SPK"]) as monitor:
        train(model)
        before = spikes(monitor).elements
        model.within = interrupt
        with pytest.raises(KeyboardInterrupt):
            train(model, 1)
        model.within = lambda step: None
        train(model, 1)
    assert spikes(monitor).elements == before + (7 + STEPS) * 4 * 5


def test_applications_of_functions_are_not_listened_to_once_all_layers_are_modules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("spikecheck.probe.watchers.has_compiled", lambda: False)  # as in a process of its own
    owner = torch.autograd.function._SingleLevelFunction  # type: ignore[attr-defined]
    model = Network()
    with spikecheck.attach(model, on_finding="raise", ignore=["SPK"]):
        train(model, 1)
        assert "apply" in vars(owner)
        train(model, 3)
        assert "apply" not in vars(owner)
        with spikecheck.attach(Network(), on_finding="raise", ignore=["SPK"]):
            assert "apply" in vars(owner)
    assert "apply" not in vars(owner)
