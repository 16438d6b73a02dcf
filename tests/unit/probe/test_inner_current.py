"""The input current of hand-written layers that make it inside, in the ways in which they are written."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.neuron import NeuronSpec
from spikecheck.readings import DriveReading
from spikecheck.site import SiteKind
from tests.promises.networks import Spike

STEPS, BATCH, CHANNELS, NEURONS = 6, 5, 7, 4


class Layer(nn.Module):
    """A layer that takes [batch, time, channel], with weights of its own; the true currents stand in `currents`."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(CHANNELS, NEURONS)
        self.currents: list[Tensor] = []

    def whole(self, x: Tensor) -> Tensor:
        """Return the currents of all time steps."""
        return self.fc(x)  # type: ignore[no-any-return]

    def recurrent(self, spikes: Tensor) -> Tensor | float:
        """Return what the layer's own spikes add to its potential."""
        return 0.0

    def forward(self, x: Tensor) -> Tensor:
        current = self.whole(x)
        self.currents.append(current.detach().clone())
        v = spikes = torch.zeros_like(current[:, 0])
        shown = []
        for step in current.unbind(1):
            v = 0.8 * (v - spikes.detach()) + 0.5 * step + self.recurrent(spikes)
            spikes = Spike.apply(v - 0.3)
            shown.append(spikes)
        return torch.stack(shown, 1)


class Normalized(Layer):
    """A batch normalization of time and batch as one axis comes behind the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(NEURONS)

    def whole(self, x: Tensor) -> Tensor:
        return self.norm(self.fc(x).flatten(0, 1)).view(*x.shape[:2], NEURONS)  # type: ignore[no-any-return]


class ByStep(Layer):
    """The weights are called once per time step."""

    def forward(self, x: Tensor) -> Tensor:
        current, v, shown = [], x.new_zeros(len(x), NEURONS), []
        for step in x.unbind(1):
            current.append(self.fc(step))
            v = 0.8 * v + 0.5 * current[-1]
            shown.append(Spike.apply(v - 0.3))
        self.currents.append(torch.stack(current, 1).detach())
        return torch.stack(shown, 1)


class Parametrized(Layer):
    """The weight is computed from others."""

    def __init__(self) -> None:
        super().__init__()
        nn.utils.parametrizations.weight_norm(self.fc)


class Recurrent(Layer):
    """The layer drives itself with a second module."""

    def __init__(self) -> None:
        super().__init__()
        self.back = nn.Linear(NEURONS, NEURONS, bias=False)

    def recurrent(self, spikes: Tensor) -> Tensor:
        return 0.1 * self.back(spikes)  # type: ignore[no-any-return]


class Adaptive(Layer):
    """Each neuron has a gain of its own, which is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.linspace(0.5, 1.5, NEURONS))

    def forward(self, x: Tensor) -> Tensor:
        current = self.whole(x)
        self.currents.append(current.detach().clone())
        v, shown = torch.zeros_like(current[:, 0]), []
        for step in current.unbind(1):
            v = 0.8 * v + 0.5 * self.gain * step
            shown.append(Spike.apply(v - 0.3))
        return torch.stack(shown, 1)


class TwoInputs(Layer):
    """Two modules make the current, and none of them alone."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(CHANNELS, NEURONS)

    def whole(self, x: Tensor) -> Tensor:
        return self.fc(x) + self.gate(x)  # type: ignore[no-any-return]


class Squared(Layer):
    """No factor tells what the current adds to the potential."""

    def whole(self, x: Tensor) -> Tensor:
        return self.fc(x).square()  # type: ignore[no-any-return]


def network(made: Callable[[], nn.Module]) -> nn.Module:
    """Return a network of one such layer and a readout."""
    torch.manual_seed(0)
    return nn.Sequential(made(), nn.Linear(NEURONS, 3))


def train(model: nn.Module) -> None:
    """Make three training steps that change nothing."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.rand(BATCH, STEPS, CHANNELS)).mean((0, 1)).sum().backward()
        optimizer.step()


def watched(model: nn.Module) -> tuple[NeuronSpec | None, DriveReading | None]:
    """Return the neurons and the current of the layer, as three training steps with spikecheck show them."""
    with spikecheck.attach(model, every=1, ignore=["SPK"]) as monitor:
        train(model)
    observations = monitor.evidence().observations
    site = next((one for one in observations.sites if one.kind is SiteKind.CURRENT and one.name == "0"), None)
    drive = observations.windows["all"].get("0", {}).get(DriveReading)
    return None if site is None else site.neuron, drive


@pytest.mark.parametrize("made", [Layer, Normalized, ByStep, Parametrized, Recurrent, Adaptive])
def test_the_current_is_what_the_module_inside_returns(made: type[Layer]) -> None:
    model = network(made)
    neuron, drive = watched(model)
    later = torch.stack(model[0].currents[1:])  # type: ignore[arg-type, index]
    assert drive is not None
    assert neuron is not None
    assert (drive.forward_passes, drive.time_steps) == (2, 2 * STEPS)
    assert drive.rms == pytest.approx(float(later.square().mean().sqrt()), rel=1e-4)
    assert drive.maximum == pytest.approx(float(later.max()), rel=1e-4)
    assert neuron.input_gain == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("made", [TwoInputs, Squared])
def test_no_current_is_shown_that_is_not_known(made: type[Layer]) -> None:
    assert watched(network(made)) == (None, None)


def test_nothing_stays_on_the_modules() -> None:
    model = network(Layer)
    model[0].currents = []  # type: ignore[index]
    watched(model)
    assert all(not module._forward_hooks for module in model.modules())


def test_a_copy_of_the_model_shows_nothing() -> None:
    model = network(Layer)
    with spikecheck.attach(model, every=1, ignore=["SPK"]) as monitor:
        train(model)
        twin = copy.deepcopy(model)
        pickle.loads(pickle.dumps(model))
        twin(torch.rand(BATCH, STEPS, CHANNELS))
    drive = monitor.evidence().observations.windows["all"]["0"][DriveReading]
    assert drive.forward_passes == 2
