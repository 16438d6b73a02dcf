"""What a spike does to a potential, and what a time step leaves of it, measured from one time step."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add

import pytest
import torch
from torch import Tensor

from spikecheck.site import Capture, Site, SiteKind
from spikecheck.stats.step_laws import StepLawStats
from tests.oracles.step_law_stats import oracle

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # potential and current to spikes and the next potential


def of(reset: Callable[[Tensor, Tensor], Tensor], decay: float | Tensor = 0.8) -> Step:
    def step(potential: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        potential = decay * potential + current
        spikes = (potential > 1).float()
        return spikes, reset(potential, spikes)

    return step


def capture(step: Step, update: int = 0, *, with_spikes: bool = False) -> Capture[Tensor]:
    """Return the fifth time step of 16 neurons in a batch of 32; the state holds the potential, last or alone."""
    generator = torch.Generator().manual_seed(update)
    potential = spikes = torch.zeros(32, 16)
    for _ in range(5):
        before, current = (spikes, potential), torch.randn(32, 16, generator=generator)
        spikes, potential = step(potential, current)
    states = (before, (spikes, potential)) if with_spikes else (before[1:], (potential,))
    return Capture(
        (Site(SiteKind.MEMORY, "lif"),), states[0], update=update, step_tensors=(spikes, current, *states[1])
    )


@pytest.mark.parametrize(
    ("step", "decay", "jump"),
    [
        pytest.param(of(lambda v, s: v - s), 0.8, -1.0, id="subtracts a threshold"),
        pytest.param(of(lambda v, s: v), 0.8, None, id="no reset"),
        pytest.param(of(lambda v, s: v + s), 0.8, 1.0, id="adds a threshold"),
        pytest.param(of(lambda v, s: v - (1 - s)), 0.8, 1.0, id="subtracts it where there is no spike"),
        pytest.param(of(lambda v, s: v - s, decay=1.2), 1.2, -1.0, id="grows"),
        pytest.param(of(lambda v, s: v - s, decay=-0.5), -0.5, -1.0, id="changes its sign"),
    ],
)
@pytest.mark.parametrize("with_spikes", [False, True])
def test_the_law_of_a_time_step(step: Step, decay: float, jump: float | None, with_spikes: bool) -> None:
    captures = [capture(step, update, with_spikes=with_spikes) for update in range(3)]
    [reading] = StepLawStats().summarize(reduce(add, map(StepLawStats().measure, captures)))
    assert (reading.forward_passes, reading.exact_passes, reading.spike_passes) == (3, 3, 0 if jump is None else 3)
    assert reading.decay == pytest.approx(decay, abs=1e-5)
    assert reading.jump == (None if jump is None else pytest.approx(jump, abs=1e-5))
    [naive] = oracle(captures)
    assert naive.decay == pytest.approx(reading.decay)
    assert naive.jump == (None if jump is None else pytest.approx(reading.jump, abs=1e-9))


def test_a_decay_that_is_learned_is_the_latest() -> None:
    captures = [capture(of(lambda v, s: v - s, decay=decay), update) for update, decay in enumerate((0.8, 1.2))]
    captures.append(capture(of(lambda v, s: s), update=2))  # without a law
    [reading] = StepLawStats().summarize(reduce(add, map(StepLawStats().measure, captures)))
    assert reading.decay == pytest.approx(1.2, abs=1e-5)


def test_a_potential_that_is_reset_where_there_is_no_spike() -> None:
    [reading] = StepLawStats().summarize(StepLawStats().measure(capture(of(lambda v, s: v * s))))
    assert reading.exact_passes == 1
    assert reading.decay == pytest.approx(0, abs=1e-9)
    assert reading.jump is not None
    assert reading.jump > 1, "a neuron that spiked keeps its potential"


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(of(lambda v, s: v - s, decay=torch.linspace(0.3, 0.99, 16)), id="a decay per neuron"),
        pytest.param(of(lambda v, s: (v - s).bfloat16().float()), id="too coarse to tell"),
        pytest.param(of(lambda v, s: s), id="the spikes of the last step"),
        pytest.param(of(lambda v, s: v * 0), id="no state"),
        pytest.param(of(lambda v, s: v / 0), id="not finite"),
    ],
)
def test_other_layers_have_no_law(step: Step) -> None:
    one = capture(step)
    [reading] = StepLawStats().summarize(StepLawStats().measure(one))
    assert (reading.exact_passes, reading.decay, reading.jump) == (0, None, None)
    assert oracle([one]) == (reading,)


def test_a_trace_of_the_spikes_is_no_potential() -> None:
    """An adaptation grows with each spike, as it should."""
    spikes, current, trace = (torch.rand(3, 32, 16, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    site = (Site(SiteKind.MEMORY, "lif"),)
    for before in (trace, trace * 0):
        step = (spikes, current, 0.9 * before + spikes)
        [reading] = StepLawStats().summarize(StepLawStats().measure(Capture(site, (before,), step_tensors=step)))
        assert reading.exact_passes == 0
