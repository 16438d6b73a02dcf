"""Whether a layer's currents and potentials are finite: all that most forward passes have to know about them.

Most networks drop both in the next time step and use their memory again. To keep them until the pass ends, as it is
done where all statistics measure them, takes new memory in place of that in the cache, and costs 3% of a step each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from spikecheck.site import Capture, Layout, Site, SiteKind

EVERY = 8  # time steps that are kept, until the last of them is looked at: to look at each would cost 2% of a step
WIDE = (torch.float32, torch.float64)  # in half precision, a sum overflows


@dataclass
class Finiteness:
    """The sums of the currents and potentials of time steps; 0 stands for any that is finite.

    A potential is a sum of the currents since the sequence began, and NaN or infinity stays in a sum: where it is
    finite, so is everything before. What leaves it again is found where the pass is measured in full: infinity in a
    neuron that a reset sets to a value, and anything in one without memory.
    """

    currents: list[float] = field(default_factory=list)
    potentials: list[float] = field(default_factory=list)
    recent: list[tuple[Tensor | None, Tensor]] = field(default_factory=list)  # not looked at yet

    def add(self, current: Tensor | None, potential: Tensor) -> None:
        """Keep a time step until its turn comes."""
        self.recent.append((current, potential))
        if len(self.recent) == EVERY:
            self.look()

    def look(self) -> None:
        """Look at the time steps since the last time: at the latest, and at each if that is not finite."""
        recent, self.recent = self.recent, []
        if not recent or math.isfinite(total(recent[-1][1])):
            self.potentials += [0.0] * len(recent)
            self.currents += [0.0] * len(recent)
            return
        self.potentials += [total(potential) for _, potential in recent]
        self.currents += [0.0 if current is None else total(current) for current, _ in recent]

    @property
    def holds(self) -> bool:
        """Whether all of them are finite."""
        return all(map(math.isfinite, self.potentials))

    def extend(self, other: Finiteness) -> None:
        """Add time steps that follow."""
        other.look()
        self.currents += other.currents
        self.potentials += other.potentials

    def captures(self, site: Callable[[SiteKind], Site], update: int, *, training: bool) -> Iterator[Capture[Tensor]]:
        """Yield the sums, as the values of one neuron and sample; those of the currents where one is not finite."""
        for kind, sums in ((SiteKind.CURRENT, self.currents), (SiteKind.POTENTIAL, self.potentials)):
            if sums and (kind is SiteKind.POTENTIAL or not all(map(math.isfinite, sums))):
                values = torch.tensor(sums, dtype=torch.float64, device="cpu")
                yield Capture((site(kind),), (values,), Layout(0, None), training, update)


def total(values: Tensor) -> float:
    """Return the sum of values in the host's memory, which is not finite where one of them is not."""
    values = values.detach()
    return float(values.sum() if values.dtype in WIDE else values.sum(dtype=torch.float64))


def step_sums(tensor: Tensor) -> Tensor:
    """Return the sums over all axes but the first two, one of which may be time: they show NaN and infinity."""
    if tensor.dim() <= 2 or not tensor.is_floating_point():
        return tensor
    return tensor.flatten(2).sum(2, dtype=tensor.dtype if tensor.dtype in WIDE else torch.float32)


def finite_steps(tensor: Tensor) -> Tensor:
    """Return zeros that stand for the sums of an input that is finite."""
    return torch.zeros((), device=tensor.device).expand(tensor.shape[:2])
