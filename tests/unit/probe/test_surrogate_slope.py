"""How a hand-written surrogate gradient depends on the distance from the threshold, as a backward pass shows it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import spikecheck
from spikecheck.readings import FlowReading
from spikecheck.report.model import Report
from spikecheck.site import SurrogateSlope
from tests.promises.networks import Spike

STEPS, BATCH, CHANNELS, NEURONS = 24, 8, 10, 32
THRESHOLD = 1.0


class Growing(Spike):
    """The same with the wrong operator."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (1 + 10 * x.abs()) ** 2


class Narrow(Spike):
    """A window of which a potential is hardly ever inside."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (x.abs() < 1e-4)


class Uneven(Spike):
    """A high, narrow peak with low wings that reach farther."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * (100 * torch.exp(-((x / 0.004) ** 2)) + 0.5 * torch.exp(-((x / 0.5) ** 2)))


class StraightThrough(Spike):
    """The gradient as it is."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Net(nn.Module):
    """Recurrent neurons, by a function that is applied to the potential less the threshold."""

    def __init__(self, function: type[Spike]) -> None:
        super().__init__()
        self.function = function
        self.fc, self.rec, self.readout = (
            nn.Linear(CHANNELS, NEURONS),
            nn.Linear(NEURONS, NEURONS),
            nn.Linear(NEURONS, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        potential = spikes = x.new_zeros(BATCH, NEURONS)
        total = x.new_zeros(BATCH, 4)
        for frame in x:
            potential = 0.9 * potential * (1 - spikes.detach()) + self.fc(frame) + self.rec(spikes)
            spikes = self.function.apply(potential - THRESHOLD)
            total = total + self.readout(spikes)
        return total / len(x)


def trained(function: type[Spike], updates: int = 4) -> tuple[SurrogateSlope | None, Report]:
    """Return the slope of a function, and the report, after a few updates."""
    torch.manual_seed(0)
    model = Net(function)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    with spikecheck.attach(model, on_finding=lambda finding: None) as monitor:
        for _ in range(updates):
            optimizer.zero_grad()
            F.cross_entropy(model(torch.rand(STEPS, BATCH, CHANNELS)), torch.arange(BATCH) % 4).backward()
            optimizer.step()
    windows = monitor.evidence().observations.windows["all"]
    [flow] = [read[FlowReading] for read in windows.values() if FlowReading in read]
    return flow.surrogate, monitor.report()


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        pytest.param(Spike, 0.0, 0.3, id="falls with the distance"),
        pytest.param(StraightThrough, 1.0, 1.0, id="the same everywhere"),
        pytest.param(Growing, 3.0, 1e6, id="grows"),
    ],
)
def test_the_slope_far_from_the_threshold_relative_to_the_one_near_it(function, low, high) -> None:
    slope, report = trained(function)
    assert slope is not None
    assert slope.distance > 0
    assert low <= slope.far / slope.near <= high
    assert ("grows with the distance" in str(report)) == (function is Growing), report


def test_a_surrogate_gradient_that_grows_is_the_cause_of_nan() -> None:
    _, report = trained(Growing)
    (cause,) = report.root_causes
    assert cause.finding.check == "SPK405"
    assert "the surrogate gradient of" in cause.finding.message
    scope = {"slope": 10.0, "x": torch.tensor([0.0, 1.0])}
    exec(cause.finding.fix, scope)
    near, far = scope["surrogate"]
    assert near > far


@pytest.mark.parametrize(
    ("threshold", "check"), [(THRESHOLD, "SPK402"), (50.0, "SPK203")], ids=["a layer that fires", "a silent one"]
)
def test_a_window_without_potentials_is_the_cause_unless_the_threshold_is(threshold, check, monkeypatch) -> None:
    monkeypatch.setitem(globals(), "THRESHOLD", threshold)
    slope, report = trained(Narrow, updates=80)
    assert slope is not None
    assert slope.reached < 0.01
    cause = report.root_causes[0].finding
    assert (cause.check, "surrogate gradient is too narrow" in cause.message) == (check, check == "SPK402"), report


def test_a_surrogate_gradient_that_falls_reaches_the_potentials() -> None:
    slope, _ = trained(Spike)
    assert slope is not None
    assert slope.reached > 0.5


def test_a_surrogate_gradient_that_a_few_potentials_make_is_too_narrow_although_it_is_nowhere_0() -> None:
    slope, report = trained(Uneven, updates=80)
    assert slope is not None
    assert slope.reached > 0.1
    assert slope.even_share < 0.05
    cause = report.root_causes[0].finding
    assert cause.check == "SPK402", report
    assert f"{slope.values_per_neuron:.3g} per neuron" in cause.observed.text


def test_potentials_that_are_multiplied_alike_all_count() -> None:
    slope, _ = trained(StraightThrough)
    assert slope is not None
    assert slope.even_share == pytest.approx(1.0)
    assert slope.values_per_neuron == pytest.approx(STEPS * BATCH)
