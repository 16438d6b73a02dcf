"""Whether a gradient can go from one time step of a layer back to the one before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import spikecheck
from spikecheck.probe.frameworks.base import TIME_FIRST, Observation
from spikecheck.probe.time_path import LAST_STEP, TimePath
from spikecheck.readings import FlowReading
from tests.promises.networks import Spike

STEPS, BATCH, NEURONS = 7, 4, 5


class Cell(nn.Module):
    """A neuron that keeps its potential, and may detach it, or start each step from 0."""

    def __init__(self, *, detach: bool = False, stateful: bool = True) -> None:
        super().__init__()
        self.detach, self.stateful = detach, stateful
        self.mem: Tensor | float = 0.0

    def forward(self, current: Tensor) -> Tensor:
        before = self.mem.detach() if self.detach and isinstance(self.mem, Tensor) else self.mem
        potential = 0.9 * before + current
        spikes: Tensor = Spike.apply(potential - 0.5)
        self.mem = potential * (1 - spikes.detach()) if self.stateful else 0.0
        return spikes


class Surrogate(nn.Module):
    """Spikes of a potential that is computed elsewhere."""

    def forward(self, distance: Tensor) -> Tensor:
        spikes: Tensor = Spike.apply(distance)
        return spikes


class Net(nn.Module):
    def __init__(self, neuron: nn.Module, forward: Callable[[Net, Tensor], Tensor]) -> None:
        super().__init__()
        self.fc, self.lif, self.run = nn.Linear(3, NEURONS), neuron, forward

    def forward(self, x: Tensor) -> Tensor:
        self.lif.mem = 0.0
        return self.run(self, x)


def per_step(net: Net, x: Tensor) -> Tensor:
    return torch.stack([net.lif(net.fc(frame)) for frame in x]).sum(0)


def same_current(net: Net, x: Tensor) -> Tensor:
    """A static image: the current of all time steps is one tensor."""
    current = net.fc(x[0])
    return torch.stack([net.lif(current) for _ in x]).sum(0)


def state_outside(net: Net, x: Tensor) -> Tensor:
    potential, total = torch.zeros(BATCH, NEURONS), 0
    for frame in x:
        potential = 0.9 * potential + net.fc(frame)
        total = total + net.lif(potential - 0.5)
    return total


def flow(net: nn.Module, steps: int = STEPS) -> FlowReading:
    with spikecheck.attach(net, spikes=["lif"]) as monitor:
        for _ in range(2):
            net(torch.rand(steps, BATCH, 3)).sum().backward()
        readings = monitor._session.snapshot(live=False).readings
    reading = readings["lif"]
    assert isinstance(reading, FlowReading)
    return reading


def cut_in_time(neuron: nn.Module, forward: Callable[[Net, Tensor], Tensor] = per_step, steps: int = STEPS):
    return flow(Net(neuron, forward), steps).cut_in_time


@pytest.mark.parametrize("forward", [per_step, same_current])
def test_a_potential_that_is_detached_in_every_step_is_told_from_one_that_is_not(forward) -> None:
    assert cut_in_time(Cell(detach=True), forward) is True
    assert cut_in_time(Cell(), forward) is False


def test_a_surrogate_whose_potential_is_elsewhere_proves_nothing() -> None:
    assert cut_in_time(Surrogate(), state_outside) is None


def test_few_time_steps_prove_no_cut() -> None:
    assert cut_in_time(Cell(detach=True), steps=LAST_STEP) is None
    assert cut_in_time(Cell(), steps=LAST_STEP) is False


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("unbound", [True, False], ids=["unbind", "index"])
def test_a_stack_of_time_steps_is_read_branch_by_branch(detach: bool, unbound: bool) -> None:
    current = nn.Linear(3, NEURONS)(torch.rand(STEPS, BATCH, 3))
    cell = Cell(detach=detach)
    frames = current.unbind(0) if unbound else [current[t] for t in range(STEPS)]
    spikes = torch.stack([cell(frame) for frame in frames])
    path = TimePath()
    path.follow(Observation(spikes, layout=TIME_FIRST), (current,), None, has_state=False)
    assert path.is_cut is detach


def test_nothing_of_the_graph_is_kept_after_the_steps_that_are_read() -> None:
    cell, path = Cell(), TimePath()
    for _ in range(STEPS):
        current = torch.rand(BATCH, NEURONS, requires_grad=True) * 1
        path.follow(Observation(cell(current)), (current,), None, has_state=True)
    assert not path.before


class Functional(Cell):
    """The same neuron with its state as an argument."""

    def forward(self, current: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        potential = 0.9 * state + current
        spikes: Tensor = Spike.apply(potential - 0.5)
        return spikes, potential * (1 - spikes.detach())


class Sequence(Cell):
    """The same neuron for whole sequences."""

    def forward(self, current: Tensor) -> Tensor:
        return torch.stack([super(Sequence, self).forward(frame) for frame in current])


class Twice(nn.Module):
    """One neuron behind two weights."""

    def __init__(self, neuron: Cell) -> None:
        super().__init__()
        self.fc1, self.fc2, self.lif = nn.Linear(3, NEURONS), nn.Linear(NEURONS, NEURONS), neuron

    def forward(self, x: Tensor) -> Tensor:
        self.lif.mem = 0.0
        if isinstance(self.lif, Sequence):
            return self.lif(self.fc2(self.lif(self.fc1(x)))).sum(0)
        states, total = [torch.zeros(BATCH, NEURONS)] * 2, torch.zeros(BATCH, NEURONS)
        for spikes in x:
            for layer, fc in enumerate((self.fc1, self.fc2)):
                if isinstance(self.lif, Functional):
                    spikes, states[layer] = self.lif(fc(spikes), states[layer])
                else:
                    spikes = self.lif(fc(spikes))
            total = total + spikes
        return total


@pytest.mark.parametrize(("neuron", "shared"), [(Cell, True), (Sequence, True), (Functional, False)])
def test_a_module_that_serves_as_two_layers_shares_its_state_unless_it_is_given_one(neuron, shared: bool) -> None:
    assert flow(Twice(neuron())).shares_state is shared
    assert flow(Twice(neuron())).cut_in_time is None


def test_one_layer_shares_nothing_with_itself() -> None:
    assert not flow(Net(Cell(), per_step)).shares_state
