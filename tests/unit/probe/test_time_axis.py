"""The time axis of a layer written by hand is read from what its loop did; where nothing tells, the report says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.errors import SpikecheckError
from spikecheck.probe.axes import looped_axis
from spikecheck.probe.time_axis import layout_of
from spikecheck.report.model import Report
from spikecheck.site import Layout
from tests.promises.networks import Spike

STEPS, BATCH, INPUTS, HIDDEN, UPDATES = 7, 5, 10, 12, 4


def steps_of(current: Tensor, axis: int) -> list[Tensor]:
    v, shown = torch.zeros_like(current.select(axis, 0)), []
    for step in range(current.shape[axis]):
        v = 0.9 * v + current.select(axis, step)
        spikes: Tensor = Spike.apply(v - 0.3)
        v = v - 0.3 * spikes.detach()
        shown.append(spikes)
    return shown


def stacked(current: Tensor, axis: int) -> Tensor:
    return torch.stack(steps_of(current, axis), axis)


def dropped(current: Tensor, axis: int) -> Tensor:
    """Dropout behind the stack."""
    return F.dropout(stacked(current, axis), 0.2)


def joined(current: Tensor, axis: int) -> Tensor:
    return torch.cat([step.unsqueeze(axis) for step in steps_of(current, axis)], axis)


def moved(current: Tensor, axis: int) -> Tensor:
    """Stacked in front, and moved to where the input has its time."""
    return torch.stack(steps_of(current, axis), 0).movedim(0, axis)


def written(current: Tensor, axis: int) -> Tensor:
    """Written into a tensor that was made before the loop."""
    out = torch.zeros_like(current)
    for step, spikes in enumerate(steps_of(current, axis)):
        out.select(axis, step).copy_(spikes)
    return out


class Whole(nn.Module):
    """Holds its weights, and the loop over time."""

    def __init__(self, loop: Callable[[Tensor, int], Tensor], axis: int, inputs: int = INPUTS) -> None:
        super().__init__()
        self.weights, self.loop, self.axis = nn.Linear(inputs, HIDDEN), loop, axis

    def forward(self, x: Tensor) -> Tensor:
        last = self.axis == 2
        current = self.weights(x.transpose(1, 2)).transpose(1, 2) if last else self.weights(x)
        return self.loop(current, self.axis)


class Readout(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.axis)


def trained(model: nn.Module, axis: int, steps: int, samples: int, *, watched: bool = True, **arguments: Any) -> Any:
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    monitor = spikecheck.attach(model, on_finding=lambda _: None, every=1, **arguments) if watched else None
    shape = [samples, INPUTS]
    shape.insert(axis, steps)
    for _ in range(UPDATES):
        x, y = (torch.rand(shape) < 0.4).float(), torch.randint(3, (samples,))
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if monitor is None:
        return [p.detach() for p in model.parameters()]
    report = monitor.report()
    assert monitor.watching, str(report)
    monitor.detach()
    return report


def shape_of(report: Report) -> tuple[int, int, int]:
    (row,) = report.layers
    return row.spikes.time_steps // UPDATES, row.spikes.samples // UPDATES, row.spikes.neurons


@pytest.mark.slow
@pytest.mark.parametrize("loop", [stacked, dropped, joined, moved, written])
@pytest.mark.parametrize("axis", [0, 1, 2], ids=["time first", "batch first", "time last"])
@pytest.mark.parametrize(("steps", "samples"), [(STEPS, BATCH), (6, 6), (2, 2)], ids=["7 of 5", "6 of 6", "2 of 2"])
def test_the_axis_is_the_one_that_the_loop_made(
    loop: Callable[[Tensor, int], Tensor], axis: int, steps: int, samples: int
) -> None:
    report = trained(nn.Sequential(Whole(loop, axis), Readout(axis)), axis, steps, samples)
    assert shape_of(report) == (steps, samples, HIDDEN)
    assert report.layers[0].spikes.time_axis_known


def test_reading_the_axis_changes_no_bit() -> None:
    model = nn.Sequential(Whole(dropped, 1), Readout(1))
    trained(model, 1, STEPS, BATCH)
    watched = [p.detach().clone() for p in model.parameters()]
    bare = trained(model, 1, STEPS, BATCH, watched=False)
    assert all(torch.equal(a, b) for a, b in zip(watched, bare, strict=True))


def without_surrogate(current: Tensor, axis: int) -> Tensor:
    return (stacked(current, axis) > 0.5).float()


def test_where_nothing_tells_the_report_says_so_and_counts_the_neurons_of_the_last_axis() -> None:
    report = trained(nn.Sequential(Whole(without_surrogate, 1), nn.Linear(HIDDEN, 3), Readout(1)), 1, STEPS, BATCH)
    assert not report.layers[0].spikes.time_axis_known
    assert report.layers[0].spikes.neurons == HIDDEN
    assert any("pass time= to attach()" in str(one) for one in report.unseen)


@pytest.mark.parametrize("arguments", [{"time": 1}, {"time": -2}, {"time": {"0": 1}, "batch": {"0": 0}}])
def test_the_axis_can_be_given(arguments: dict[str, Any]) -> None:
    model = nn.Sequential(Whole(without_surrogate, 1), nn.Linear(HIDDEN, 3), Readout(1))
    report = trained(model, 1, STEPS, BATCH, **arguments)
    assert shape_of(report) == (STEPS, BATCH, HIDDEN)
    assert not any("time=" in str(one) for one in report.unseen)


@pytest.mark.parametrize("arguments", [{"time": {"nothing": 1}}, {"time": "1"}, {"batch": {"0": 1.5}}])
def test_an_axis_that_cannot_be_given_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(SpikecheckError, match=r"time=|batch="):
        spikecheck.attach(nn.Sequential(Whole(stacked, 1), Readout(1)), **arguments)


class Quantized(nn.Module):
    """Spikes of a whole sequence at once, behind as many other functions as the batch has samples."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(INPUTS, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        current = self.fc(x)
        for _ in range(BATCH - 1):
            current = Passed.apply(current)
        spikes: Tensor = Spike.apply(current)
        return spikes


class Passed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1.5

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient * 1.5


def test_other_functions_are_no_time_steps_however_many_there_are() -> None:
    layer = Quantized()
    assert layout_of(layer(torch.rand(BATCH, STEPS, INPUTS)), ()) is None


@pytest.mark.parametrize(
    ("shape", "parts", "axis"),
    [
        ((7, 5, 3), [(7, (5, 3))], 0),
        ((5, 7, 3), [(7, (5, 3)), (1, (5, 7, 3))], 1),
        ((5, 3, 7), [(7, (5, 3))], 2),
        ((5, 5, 3), [(5, (5, 3))], None),  # two would fit
        ((7, 5, 3), [(7, (5, 4))], None),  # of another width
        ((7, 5, 3), [(6, (5, 3))], None),
        ((7, 5, 3), [], None),
    ],
)
def test_the_calls_of_a_part_show_the_axis(shape: Any, parts: Any, axis: int | None) -> None:
    assert looped_axis(shape, parts) == axis


def test_a_loop_of_one_step_made_the_axis_of_size_1() -> None:
    class OneStep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(INPUTS, HIDDEN)

        def forward(self, x: Tensor) -> Tensor:
            out = torch.zeros(len(x), HIDDEN, 1)
            for step in range(1):
                out[:, :, step] = Spike.apply(self.fc(x))
            return out

    spikes = OneStep()(torch.rand(BATCH, INPUTS))
    assert layout_of(spikes, ()) == Layout(2, 0)


def test_an_agent_that_acts_before_it_learns_leaves_the_axis_to_be_read() -> None:
    model = nn.Sequential(Whole(stacked, 1), nn.Linear(HIDDEN, 3))
    with spikecheck.attach(model, ignore=["SPK"]) as monitor:
        for _ in range(3):
            with torch.no_grad():
                for _ in range(5):
                    model(torch.rand(BATCH, STEPS, INPUTS))
            model(torch.rand(BATCH, STEPS, INPUTS)).sum().backward()
    assert f"{STEPS}, axis 1" in str(monitor.report())
