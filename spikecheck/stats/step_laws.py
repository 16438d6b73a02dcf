"""How a layer called once per time step computes its next potential: measured from one step, without reading code."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikecheck.site import Capture, SiteKind
from spikecheck.state_readings import StepLawReading
from spikecheck.stats.base import State, Statistic, merged_by

EXACT = 1e-4  # of the largest next potential: float32 rounding, and no more than that
RIDGE = 1e-12  # relative: a column of zeros gets the factor 0
MIN_SILENT, MIN_SPIKES = 30, 10  # judgment calls: a line through fewer neurons says little


def latest(a: Tensor, b: Tensor) -> Tensor:
    """Merge rule: keep the later number, or the earlier one where there is none."""
    return torch.where(b.isnan(), a, b)


@dataclass(frozen=True)
class StepLawState(State):
    """Sums over the forward passes whose next potential follows a law exactly, and the latest decay."""

    exact: Tensor = merged_by(torch.add)
    decay: Tensor = merged_by(latest)  # NaN where there is none
    with_spikes: Tensor = merged_by(torch.add)
    jump: Tensor = merged_by(torch.add)
    passes: int = merged_by(operator.add)


class StepLawStats(Statistic[StepLawState]):
    """The law by which the potential of a layer changes in a time step: its decay, and what a spike does to it.

    Among neurons that did not spike, the next potential is decay * potential + gain * current + a constant. A law
    counts where it holds exactly. What neurons that spiked have beyond it is what the spike added: minus one threshold
    with a reset by subtraction.

    Unit: factor per time step; that of the threshold.
    Input: the previous state tensors of one layer; `step_tensors` holds spikes, current and the next state.
    Memory: five numbers. Cost: three sums of products per state tensor, once per forward pass.
    Not visible: laws with another form, such as a recurrent input, a decay per neuron, or a reset in the next step.
    """

    kind: ClassVar = SiteKind.MEMORY
    reading: ClassVar = StepLawReading
    order_matters: ClassVar = True

    def measure(self, capture: Capture[Tensor]) -> StepLawState:
        """Fit the law of each state tensor; the potential is the one that takes in the current."""
        spikes, current, *after = capture.step_tensors or (capture.values[0], capture.values[0])
        zero = torch.zeros((), dtype=torch.float64, device=spikes.device)
        exact, decay, with_spikes, jump = zero, zero + torch.nan, zero, zero
        for before, next_one in zip(capture.values, after, strict=False):
            if len(after) != len(capture.values) or not before.shape == next_one.shape == spikes.shape == current.shape:
                continue
            holds, factor, tells, beyond = fitted(before, current, next_one, spikes)
            taken = holds & (exact == 0)  # the first that qualifies
            exact, decay = torch.where(taken, zero + 1, exact), torch.where(taken, factor, decay)
            with_spikes = torch.where(taken & tells, zero + 1, with_spikes)
            jump = torch.where(taken & tells, beyond, jump)
        return StepLawState(exact, decay, with_spikes, jump, 1)

    def summarize(self, state: StepLawState) -> tuple[StepLawReading, ...]:
        """Copy the numbers to the host."""
        exact, decay, with_spikes, jump = torch.stack(
            [state.exact, state.decay, state.with_spikes, state.jump]
        ).tolist()
        return (
            StepLawReading(
                forward_passes=state.passes,
                exact_passes=round(exact),
                decay=decay if exact else None,
                spike_passes=round(with_spikes),
                jump=jump / with_spikes if with_spikes else None,
            ),
        )


def fitted(before: Tensor, current: Tensor, after: Tensor, spikes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return whether a tensor is the potential and follows a law, its decay, whether spikes tell, and the jump."""
    p, c, n, s = (value.detach().flatten().double() for value in (before, current, after, spikes))
    quiet = (s == 0).double()
    columns = torch.stack([p, c, torch.ones_like(p)]) * quiet  # [3, element]
    products = columns @ columns.T
    ridge = RIDGE * products.diagonal().sum() + torch.finfo(torch.float64).tiny
    solution, _ = torch.linalg.solve_ex(products + ridge * torch.eye(3, dtype=p.dtype, device=p.device), columns @ n)
    beyond = n - (solution[0] * p + solution[1] * c + solution[2])
    largest, fired = n.abs().amax() if len(n) else n.sum(), 1 - quiet
    exact = ((beyond * quiet).abs() <= EXACT * largest).all() & (quiet.sum() >= MIN_SILENT)
    jump = (beyond * fired).sum() / fired.sum().clamp(min=1)
    spread = ((n - (n * fired).sum() / fired.sum().clamp(min=1)) * fired).abs().amax() if len(n) else n.sum()
    takes_current = solution[1].abs() > EXACT
    forgets = ((n * quiet) == 0).all() & ((p * quiet) != 0).any() & (spread > EXACT * largest)
    is_potential = exact & (largest > 0) & ((takes_current & ((p * quiet) != 0).any()) | forgets)
    tells = (fired.sum() >= MIN_SPIKES) & (jump.abs() > EXACT * largest)  # more than rounding
    return is_potential, solution[0], tells, jump
