"""Weights that are still as they were drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class UntrainedWeights(Check):
    """A weight follows its initialiser's law to the edges, although the file counts updates.

    ## What it means
    The initialisers of `torch.nn` that draw uniformly (the default of `nn.Linear` and `nn.Conv`, Xavier, He) fill an
    interval evenly and exactly up to its ends. Found is a weight of {elements} elements or more that fills such an
    interval, ends, mean and mean square included, in a file that says
    it was trained: a note, and a warning from {patience} updates on. One update of ordinary size blurs the ends.
    Weights drawn from a normal law have no ends, and are not judged.

    ## Why it matters
    The layer never learned: it is missing from the optimizer, frozen, or got no gradient, as behind a spike without a
    surrogate.

    ## Fix
    ```python any
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # all of them; then attach and look
    ```

    ## Intended when
    The layer is a fixed random projection, as in a reservoir: `[tool.spikecheck.ignore]
    "SPK507:reservoir.weight" = "random on purpose"`
    """

    id: ClassVar = "SPK507"
    slug: ClassVar = "untrained-weights"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ("SPK508",)
    message: ClassVar = "{site} looks untouched since it was drawn, after {updates} updates or epochs"

    elements: int = limit(
        1000, why="derived: with fewer the ends are too blurred by chance to tell one update from none"
    )
    patience: int = limit(
        50, why="measured: five small steps of plain SGD move no weight by more than 0.04 % of its interval"
    )
    errors: float = limit(
        4.5, why="derived: mean and mean square of a fair draw are this many standard errors off once in 100,000"
    )
    gap: float = limit(14.0, why="derived: the largest of n draws is more than 14 / n below the end once in a million")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a trained file holds a weight as it was drawn."""
        weight, updates = readings[StoredReading], readings.run.update
        if weight.role != "weight" or updates == 0 or weight.elements < self.elements or not weight.finite:
            return
        for law, bound in laws(weight).items():
            if uniform(weight, bound, self.errors, self.gap):
                yield self.found(
                    site,
                    severity=Severity.WARNING if updates >= self.patience else Severity.NOTE,
                    seen=Seen(
                        "even over [{low:.4g}, {high:.4g}], as {law} draws it: [-{bound:.4g}, {bound:.4g}]",
                        low=weight.minimum,
                        high=weight.maximum,
                        law=law,
                        bound=bound,
                    ),
                    expected=Expected("ends that training has blurred", because="one update of ordinary size does"),
                    updates=updates,
                )
                return


def laws(weight: StoredReading) -> dict[str, float]:
    """Half the width of the interval that each uniform initialiser fills, by its name."""
    outputs = weight.elements / weight.fan_in
    spread = weight.elements / (weight.shape[0] * weight.shape[1]) if weight.dimensions > 1 else 1
    return {
        "the default of nn.Linear": sqrt(1 / weight.fan_in),
        "kaiming_uniform_": sqrt(6 / weight.fan_in),
        "xavier_uniform_": sqrt(6 / (weight.fan_in + outputs * spread)),
    }


def uniform(weight: StoredReading, bound: float, errors: float, gap: float) -> bool:
    """Does it fill the interval evenly and up to its ends?"""
    n = weight.elements
    if weight.minimum is None or weight.maximum is None:
        return False
    end = bound * (1 + 1e-6)  # as float32 rounds it
    inside = -end <= weight.minimum and weight.maximum <= end
    edges = min(-weight.minimum, weight.maximum) >= bound * (1 - gap / n)
    even = abs(weight.mean) <= errors * bound / sqrt(3 * n)
    return inside and edges and even and abs(weight.rms**2 * 3 / bound**2 - 1) <= errors * sqrt(0.8 / n)
