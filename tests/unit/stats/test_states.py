"""A state that is not used is distinguished from one that is, for typical hand-written cells."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from spikecheck.site import Capture, Site, SiteKind
from spikecheck.state_readings import MemoryReading
from spikecheck.stats.states import MemoryStats

State = tuple[Tensor, ...]
Cell = Callable[[Tensor, State], tuple[Tensor, State]]
DECAY, THRESHOLD, STEPS = 0.9, 1.0, 5


def soft(current: Tensor, state: State) -> tuple[Tensor, State]:
    potential = DECAY * state[0] + current
    spikes = (potential > THRESHOLD).float()
    return spikes, (potential - THRESHOLD * spikes, spikes)


def to_zero(current: Tensor, state: State) -> tuple[Tensor, State]:
    potential = DECAY * state[0] * (1 - state[1]) + current
    spikes = (potential > THRESHOLD).float()
    return spikes, (potential, spikes)


def averaging(current: Tensor, state: State) -> tuple[Tensor, State]:
    potential = state[0] + (current - state[0]) / 5
    spikes = (potential > 0.2).float()
    return spikes, (potential * (1 - spikes),)


def rectified(current: Tensor, state: State) -> tuple[Tensor, State]:
    potential = (DECAY * state[0] + current).clamp(min=0)
    spikes = (potential > THRESHOLD).float()
    return spikes, (potential - spikes,)


def two_stages(current: Tensor, state: State) -> tuple[Tensor, State]:
    synapse = 0.5 * state[1] + current
    potential = DECAY * state[0] + synapse
    spikes = (potential > THRESHOLD).float()
    return spikes, (potential - spikes, synapse)


def adaptive(current: Tensor, state: State) -> tuple[Tensor, State]:
    potential = DECAY * state[0] + current
    spikes = (potential > THRESHOLD + state[1]).float()
    return spikes, (potential * (1 - spikes), 0.95 * state[1] + 0.3 * spikes)


def of_changes(current: Tensor, state: State) -> tuple[Tensor, State]:
    """Encode changes: the state is the previous input."""
    return (current - state[0] > 0.5).float(), (current,)


def hardly_leaking(current: Tensor, state: State) -> tuple[Tensor, State]:
    potential = 0.01 * state[0] + current
    spikes = (potential > THRESHOLD).float()
    return spikes, (potential - spikes,)


def without_memory(cell: Cell) -> Cell:
    """Return the cell with its state reset to 0 in every time step."""
    return lambda current, state: cell(current, tuple(torch.zeros_like(s) for s in state))


def read(cell: Cell, *, scale: float = 0.7, constant: bool = False) -> MemoryReading:
    """Return the reading of the fifth time step, for noise or a constant current."""
    generator = torch.Generator().manual_seed(0)
    drive = scale * torch.randn(STEPS, 32, 64, generator=generator)
    state: State = (torch.zeros(32, 64), torch.zeros(32, 64))
    before, spikes, current = state, state[0], state[0]
    for step in range(STEPS):
        before, current = state, drive[0 if constant else step]
        spikes, state = cell(current, before)
    capture = Capture((Site(SiteKind.MEMORY, "cell"),), before, step_tensors=(spikes, current, *state))
    (reading,) = MemoryStats().summarize(MemoryStats().measure(capture))
    return reading


CELLS = [soft, to_zero, averaging, rectified, two_stages, adaptive, hardly_leaking]


@pytest.mark.parametrize("scale", [0.05, 0.7, 5.0])
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.__name__)
def test_a_state_that_is_used(cell: Cell, scale: float) -> None:
    reading = read(cell, scale=scale)
    assert reading.informative_elements > 300
    assert reading.memoryless_elements < 0.1 * reading.informative_elements


def test_a_cell_that_stores_its_input_is_recognized_by_its_spikes() -> None:
    assert read(of_changes).memoryless_elements == 0


@pytest.mark.parametrize("cell", [soft, averaging], ids=lambda cell: cell.__name__)
def test_a_used_state_is_not_called_memoryless_with_a_constant_current(cell: Cell) -> None:
    reading = read(cell, scale=0.05, constant=True)
    assert reading.memoryless_elements == 0


@pytest.mark.parametrize("cell", [soft, averaging, two_stages], ids=lambda cell: cell.__name__)
def test_a_state_that_is_not_used(cell: Cell) -> None:
    """The state of the script differs from the one that the cell starts from."""

    def forgets(current: Tensor, state: State) -> tuple[Tensor, State]:
        return without_memory(cell)(current, state)

    reading = read(forgets)
    assert reading.memoryless_elements == reading.informative_elements > 500


def test_without_step_tensors_nothing_is_counted() -> None:
    capture = Capture((Site(SiteKind.MEMORY, "cell"),), (torch.ones(3, 4),))
    (reading,) = MemoryStats().summarize(MemoryStats().measure(capture))
    assert (reading.informative_elements, reading.memoryless_elements, reading.stateful_forward_passes) == (0, 0, 1)
