"""The interface of a sink: a log, a dashboard, or whatever else takes the course of a run while it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spikecheck.diagnosis import Cause
from spikecheck.finding import Finding

if TYPE_CHECKING:
    from spikecheck.evidence.evidence import Evidence
    from spikecheck.report.model import Report

Numbers = Mapping[str, "float | None"]  # by name of the place; None: nothing finite since the previous point
PREFIX = "spikecheck"


@dataclass(frozen=True, slots=True)
class RunStart:
    """The run that begins: the class of the model, the script's variable for it, and which rank this process is."""

    model: str
    variable: str = "model"
    rank: int | None = None  # None for a single process
    ranks: int = 1  # processes in the run
    first_update: int = 0  # the updates that a resumed run had made before


@dataclass(frozen=True, slots=True)
class RunPoint:
    """What the updates since the previous point showed. Every number is a mean over them, by name of its place.

    `update` is the number of updates made so far, `since` that of the previous point, `seconds` the time since
    `attach`. Firing rates are spikes per neuron per time step.
    """

    update: int
    since: int
    seconds: float
    losses: Numbers = field(default_factory=dict)
    gradient_norms: Numbers = field(default_factory=dict)  # by optimizer, like the next two
    update_sizes: Numbers = field(default_factory=dict)  # relative to the norm of the parameters
    learning_rates: Numbers = field(default_factory=dict)
    firing_rates: Numbers = field(default_factory=dict)  # by layer, like the next one
    silent_shares: Numbers = field(default_factory=dict)  # of neurons without a spike in a forward pass

    def scalars(self) -> dict[str, float]:
        """Return the finite numbers by a name that stays the same, such as "spikecheck/lif1/firing_rate"."""
        quantities = {
            "loss": self.losses,
            "gradient_norm": self.gradient_norms,
            "update_size": self.update_sizes,
            "learning_rate": self.learning_rates,
            "firing_rate": self.firing_rates,
            "silent_share": self.silent_shares,
        }
        return {
            f"{PREFIX}/{place}/{quantity}": value
            for quantity, numbers in quantities.items()
            for place, value in numbers.items()
            if value is not None
        }


class Sink:
    """Takes the course of a run. Override what is needed; every other method does nothing.

    The methods are called in the training process, between two steps, so they have to be quick. What a sink raises
    never reaches the training: the user is warned once, and the sink gets nothing more.
    """

    def begin(self, start: RunStart) -> None:
        """Take the `start` of the run: the first forward pass is over, or nothing was observed at all."""

    def point(self, point: RunPoint) -> None:
        """Take a `point`: what the latest updates showed, after updates 1, 2, 5, 9, later several times a second."""

    def finding(self, cause: Cause, update: int) -> None:
        """Take a root `cause` with its consequences, in the `update` in which the user is told of it."""

    def over(self, finding: Finding, update: int) -> None:
        """Take that a `finding`, of which the user was told, no longer holds in this `update`."""

    def state(self, read: Callable[[], Evidence], *, final: bool = False) -> None:
        """Take everything that a report is made of, if it is wanted now: `read` costs as much as a report.

        `final` is whether the run is over.
        """

    def end(self, report: Report, error: str) -> None:
        """Take the last `report`. `error` is the exception that ended the run, "" without one."""
