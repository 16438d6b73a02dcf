"""Layers written by hand are found whatever their style, and what merely looks like spikes is not taken for any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.finding import UnseenKind
from spikecheck.probe.frameworks.generic import Generic
from spikecheck.probe.layer import UNTIMED, Status
from spikecheck.probe.session import MAX_HELD_CALLS
from spikecheck.readings import SpikeReading
from tests.promises.networks import LIF, Spike

STEPS, BATCH, NEURONS = 7, 5, 8


class PerStep(nn.Module):
    """Called once per time step, and hands on (spikes, potential)."""

    def __init__(self, *, both: bool) -> None:
        super().__init__()
        self.both = both

    def forward(self, current: Tensor, v: Tensor) -> Any:
        v = 0.9 * v + current
        spikes: Tensor = Spike.apply(v - 0.3)
        return (spikes, v - 0.3 * spikes.detach()) if self.both else spikes


class Bare(nn.Module):
    """A comparison, and no surrogate gradient: no training goes through it."""

    def forward(self, current: Tensor) -> Tensor:
        return (current.cumsum(0) > 0.3).float()


class BatchFirst(nn.Module):
    """[batch, time, neuron]."""

    def forward(self, current: Tensor) -> Tensor:
        return torch.stack([Spike.apply(step - 0.1) for step in current.unbind(1)], dim=1)


class Counting(torch.autograd.Function):
    """As many spikes in a step as thresholds fit in."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        return v.clamp(0, 3).floor()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Multi(nn.Module):
    def forward(self, current: Tensor) -> Tensor:
        y: Tensor = Counting.apply(4 * current)
        return y


class Net(nn.Module):
    def __init__(self, layer: nn.Module, *, per_step: bool = False, batch_first: bool = False) -> None:
        super().__init__()
        self.fc, self.layer, self.out = nn.Linear(6, NEURONS), layer, nn.Linear(NEURONS, 3)
        self.per_step, self.batch_first = per_step, batch_first

    def forward(self, x: Tensor) -> Tensor:
        current = self.fc(x)
        if self.batch_first:
            current = current.movedim(0, 1)
        if not self.per_step:
            y: Tensor = self.out(self.layer(current))
            return y.mean(int(self.batch_first))
        v, shown = torch.zeros_like(current[0]), []
        for step in current:
            output = self.layer(step, v) if isinstance(self.layer, PerStep) else self.layer(step)
            spikes, v = output if isinstance(output, tuple) else (output, v)
            shown.append(self.out(spikes))
        return torch.stack(shown).mean(0)


def spike_readings(model: nn.Module, x: Tensor | None = None) -> dict[str, SpikeReading]:
    torch.manual_seed(0)
    x = torch.rand(STEPS, BATCH, 6) if x is None else x
    with spikecheck.attach(model, on_finding=lambda _: None) as monitor:
        for _ in range(3):
            output = model(x)
            if output.requires_grad:
                output.sum().backward()
        report = monitor.report()
        assert monitor.watching, str(report)
    return {row.name: row.spikes for row in report.layers}


@pytest.mark.parametrize(
    ("build", "steps"),
    [
        (lambda: Net(LIF()), STEPS),
        (lambda: Net(PerStep(both=False), per_step=True), STEPS),
        (lambda: Net(PerStep(both=True), per_step=True), STEPS),
        (lambda: Net(BatchFirst(), batch_first=True), STEPS),
        (lambda: Net(Multi()), None),
        (lambda: Net(Bare()), None),
    ],
    ids=["stack over time", "a step at a time", "with its potential", "batch first", "several spikes", "no surrogate"],
)
def test_a_layer_written_by_hand_is_found(build: Callable[[], nn.Module], steps: int | None) -> None:
    torch.manual_seed(0)
    readings = spike_readings(build())
    assert list(readings) == ["layer"]
    spikes = readings["layer"]
    assert spikes.elements == 3 * STEPS * BATCH * NEURONS
    if steps is not None:  # the time axis shows
        assert (spikes.time_steps, spikes.samples, spikes.neurons) == (3 * steps, 3 * BATCH, NEURONS)


class Quantized(nn.Module):
    """A straight-through quantizer: an autograd function of its own, and many values."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = Rounded.apply(x)
        return y


class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (x * 100).round() / 100

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Gate(nn.Module):
    """Attention written by hand: between 0 and 1, and differentiable."""

    def forward(self, x: Tensor) -> Tensor:
        return x.softmax(-1)


class Passing(nn.Module):
    """A module of the user's that hands spikes on."""

    def __init__(self, does: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.does = does

    def forward(self, x: Tensor) -> Tensor:
        return self.does(x)


@pytest.mark.parametrize(
    "layer",
    [nn.ReLU(), nn.Sigmoid(), nn.Hardtanh(0, 1), nn.Dropout(0.5), Quantized(), Gate(), Passing(torch.relu)],
    ids=["ReLU", "Sigmoid", "Hardtanh", "Dropout", "quantizer", "gate", "ReLU written by hand"],
)
def test_what_only_looks_like_spikes_is_not_taken_for_any(layer: nn.Module) -> None:
    torch.manual_seed(0)
    assert not spike_readings(Net(layer))


@pytest.mark.parametrize(
    "after",
    [
        nn.Dropout(0.5),
        nn.Flatten(2),
        nn.MaxPool1d(2, padding=1, stride=1),
        Passing(lambda x: x.clone()),
        Passing(lambda x: nn.functional.max_pool1d(x, 2, stride=1, padding=1)),
    ],
    ids=["dropout", "flatten", "pooling", "handing on", "pooling written by hand"],
)
def test_what_passes_spikes_on_is_no_spiking_layer(after: nn.Module) -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif, self.after = nn.Linear(6, NEURONS), LIF(), after

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.after(self.lif(self.fc(x)))
            return y

    torch.manual_seed(0)
    assert list(spike_readings(Both())) == ["lif"]


def test_an_embedding_and_what_follows_it_is_no_spiking_layer() -> None:
    model = nn.Sequential(nn.Embedding(9, NEURONS), nn.ReLU(), nn.Linear(NEURONS, 3))
    assert not spike_readings(model, torch.randint(9, (STEPS, BATCH)))


def test_a_tap_is_a_layer_under_its_name() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, NEURONS)

        def forward(self, x: Tensor) -> Tensor:
            v, total = torch.zeros(BATCH, NEURONS), torch.zeros(BATCH, NEURONS)
            for step in x:
                current = self.fc(step)
                v = 0.9 * v + current
                spikes: Tensor = Spike.apply(v - 0.3)
                assert spikecheck.tap("hidden", spikes, current=current, potential=v) is spikes
                total = total + spikes
            return total

    readings = spike_readings(Functional())
    assert list(readings) == ["hidden"]
    assert (readings["hidden"].time_steps, readings["hidden"].samples, readings["hidden"].neurons) == (
        3 * STEPS,
        3 * BATCH,
        NEURONS,
    )


@pytest.mark.parametrize("gain", [0.0, 1.0])
def test_a_module_that_taps_its_own_name_is_counted_once_even_while_it_is_silent(gain: float) -> None:
    class Hidden(nn.Module):
        def forward(self, current: Tensor) -> Tensor:
            v, shown = torch.zeros_like(current[0]), []
            for step in current:
                v = 0.9 * v + gain * step
                shown.append(spikecheck.tap("1", Spike.apply(v - 0.3)))
            return torch.stack(shown)

    readings = spike_readings(nn.Sequential(nn.Linear(6, NEURONS), Hidden()))
    assert list(readings) == ["1"]
    assert (readings["1"].time_steps, readings["1"].samples, readings["1"].neurons) == (3 * STEPS, 3 * BATCH, NEURONS)
    assert (readings["1"].count > 0) == (gain > 0)


def test_taps_beside_a_model_that_is_never_called_are_reported_and_do_not_pile_up() -> None:
    with spikecheck.attach(nn.Linear(2, 2), every=1) as monitor, torch.no_grad():
        for _ in range(MAX_HELD_CALLS + 10):
            spikecheck.tap("hidden", torch.ones(2, 3))
        assert monitor._session.passes.recorder.count("hidden") == 10
        (row,) = monitor.report().layers
        assert monitor._session.passes.recorder.count("hidden") == 0
    assert (row.name, row.spikes.count, row.spikes.time_steps) == (
        "hidden",
        6 * (MAX_HELD_CALLS + 10),
        MAX_HELD_CALLS + 10,
    )


def test_parts_of_a_model_that_are_called_one_by_one_are_reported_without_a_loss() -> None:
    class Threshold(nn.Module):
        def forward(self, current: Tensor) -> Tensor:
            spikes: Tensor = Spike.apply(current)
            return spikes

    model = nn.Sequential(nn.Linear(6, NEURONS), Threshold())
    with spikecheck.attach(model, every=1, spikes="1") as monitor, torch.no_grad():
        spikes = [model[1](model[0](step)) for step in torch.rand(STEPS, BATCH, 6)]
        (row,) = monitor.report().layers
    assert (row.spikes.count, row.spikes.time_steps) == (torch.stack(spikes).sum(), STEPS)


def test_without_gradients_the_time_axis_of_a_sequence_is_not_known_and_the_report_says_why() -> None:
    model = nn.Sequential(nn.Linear(6, NEURONS), LIF())
    x = torch.rand(STEPS, BATCH, 6)
    with spikecheck.attach(model, every=1, spikes="1") as monitor:
        with torch.no_grad():
            model(x)
        report = monitor.report()
        assert not report.layers[0].spikes.time_axis_known
        assert f"1: {UNTIMED}" in map(str, report.unseen)
        model(x)
        report = monitor.report()
    assert (report.layers[0].spikes.time_axis_known, report.layers[0].spikes.time_steps) == (True, STEPS)
    assert f"1: {UNTIMED}" not in map(str, report.unseen)


class ByItself(nn.Module):
    """Runs its layers by `forward`, where no hook fires, and is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(6, NEURONS), LIF()

    def run(self, x: Tensor, *, tapping: bool) -> None:
        spikes = self.lif.forward(self.fc.forward(x))
        for step in spikes if tapping else ():
            spikecheck.tap("lif", step)


def test_where_no_hook_fires_a_tap_shows_the_spikes_once() -> None:
    model = ByItself()
    with spikecheck.attach(model, every=1) as monitor:
        model.run(torch.rand(STEPS, BATCH, 6), tapping=True)
        report = monitor.report()
    (row,) = report.layers
    assert (row.name, row.spikes.time_steps, row.spikes.samples, row.spikes.neurons) == ("lif", STEPS, BATCH, NEURONS)
    assert not [one for one in report.unseen if "tap" in one.text]


def test_where_no_module_spikes_the_report_says_what_to_tap() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, NEURONS)

        def forward(self, x: Tensor) -> Tensor:
            spikes = (self.fc(x) > 0).float() + 0 * self.fc(x)  # a comparison, and no autograd function
            return spikes.mean(0)

    model = Functional()
    with spikecheck.attach(model, every=1) as monitor:
        model(torch.rand(STEPS, BATCH, 6)).sum().backward()
        report = monitor.report()
    assert not report.layers
    assert [one for one in report.unseen if one.kind is UnseenKind.SPIKING_LAYER]


def test_a_tap_does_nothing_while_nothing_is_attached() -> None:
    spikes = torch.ones(2, 3)
    assert spikecheck.tap("hidden", spikes) is spikes


def test_a_module_that_is_no_spiking_layer_is_not_listened_to_any_more() -> None:
    """Its calls would add up for ever, and every call be taken for the end of a forward pass."""

    class Scale(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    model = nn.Sequential(nn.Linear(4, 3), Scale())
    with spikecheck.attach(model, every=1) as monitor:
        candidate = monitor._session.layers.by_name["1"]
        for _ in range(3):
            model(torch.rand(2, 4)).sum().backward()
        assert "1" not in monitor._session.layers
        assert candidate.status is Status.REJECTED
        assert not monitor._session.passes.recorder.layers


@pytest.mark.parametrize(
    ("keep", "count"),
    [
        pytest.param(lambda mem: mem, 0, id="to be looked at: backward would raise if it were gone on from"),
        pytest.param(lambda mem: mem.detach(), 1, id="cut from the graph, to be gone on from"),
    ],
)
def test_a_potential_that_a_layer_keeps_is_what_it_starts_from_only_without_its_graph(keep, count) -> None:
    module = nn.Identity()
    module.mem = keep(torch.ones(3, requires_grad=True) * 2)
    assert len(Generic().state(module, (torch.ones(3),), {})) == count
    assert len(Generic().previous_state(module, (torch.ones(3),), {})) == 1
    with torch.no_grad():
        assert Generic().state(module, (torch.ones(3),), {}) == ()


class Keeper(nn.Module):
    """A layer that keeps tensors under these names."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        for name in names:
            setattr(self, name, torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        return x


class Second(nn.Module):
    """A layer whose state, a synaptic current and a potential, is passed in one tuple."""

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        syn, mem = state
        return x, (0.8 * syn + x, 0.9 * mem + syn)


@pytest.mark.parametrize(
    ("module", "accumulates"),
    [
        pytest.param(Keeper("mem"), False, id="a potential alone"),
        pytest.param(Keeper("mem", "syn"), True, id="snnTorch's name"),
        pytest.param(Keeper("v", "i"), True, id="Norse's name"),
        pytest.param(Second(), True, id="passed in a tuple"),
        pytest.param(LIF(), False, id="a layer with a potential in its loop"),
    ],
)
def test_a_synaptic_current_is_recognized_by_its_name(module: nn.Module, accumulates: bool) -> None:
    assert Generic().neuron(module).accumulates is accumulates
