"""One value, tried: what the network did with it, in plain numbers that a study can store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from spikecheck.number_format import number

SHOWN_PLACES = 3  # layers or parameters in one line


class ProblemKind(Enum):
    """What keeps a value from working, the most telling first; the value is the text in the table."""

    NON_FINITE = "NaN or infinite: {places}"
    SEVERAL_SPIKES = "multi-spike: {places}"
    SILENT = "silent: {places}"
    SATURATED = "saturated: {places}"
    OUT_OF_RANGE = "counts reach {places}"
    NO_GRADIENT = "no gradient: {places}"
    LOSS = "loss does not fall"


@dataclass(frozen=True)
class Problem:
    """Something that keeps a value from working, and the layers or parameters where it is."""

    kind: ProblemKind
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = len(self.places) - SHOWN_PLACES
        places = ", ".join(self.places[:SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")
        return self.kind.value.format(places=places)


@dataclass(frozen=True)
class TriedValue:
    """A value of the parameter, and what the network did with it.

    The numbers of spikes are those of the first forward pass, before any update; the problems are those at the end.

    Attributes:
        value: the value of the parameter.
        output_max: most spikes of one output neuron in one time step; None where no layer was observed.
        max_per_step: most spikes of one neuron of any layer in one time step.
        min_count: smallest number of spikes of an output neuron, of any sample.
        max_count: largest number of spikes of an output neuron, of any sample.
        first_loss: mean loss of the first updates.
        last_loss: mean loss of as many updates at the end; None where there are too few to compare.
        updates: how many were made; fewer than planned where nothing could change any more.
        problems: what keeps the value from working; none where it works.
        seconds: how long it took.
        code: Python that gives a network this value, as it was run.
    """

    value: float
    output_max: float | None
    max_per_step: float | None
    min_count: float | None
    max_count: float | None
    first_loss: float | None
    last_loss: float | None
    updates: int
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    code: str = ""

    @property
    def works(self) -> bool:
        """Whether nothing speaks against the value."""
        return not self.problems

    @property
    def outcome(self) -> ProblemKind | None:
        """The most telling problem; None where the value works."""
        return self.problems[0].kind if self.problems else None

    @property
    def counts(self) -> str:
        """The range of the output's spike counts, as the table shows it."""
        if self.min_count is None or self.max_count is None:
            return "-"
        return f"{number(self.min_count)} to {number(self.max_count)}"

    @property
    def losses(self) -> str:
        """The first loss and the last, as the table shows them."""
        shown = [number(loss, padded=loss < 100) for loss in (self.first_loss, self.last_loss) if loss is not None]
        return " → ".join(shown) or "-"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON can hold them."""
        problems = [{"kind": one.kind.name, "places": list(one.places), "text": str(one)} for one in self.problems]
        return {**asdict(self), "problems": problems}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TriedValue:
        """Return what `to_dict` wrote."""
        problems = tuple(Problem(ProblemKind[one["kind"]], tuple(one["places"])) for one in stored["problems"])
        return cls(**{**stored, "problems": problems})
