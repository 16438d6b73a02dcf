"""Weights that still have their initial random values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Site, SiteKind
from spikecheck.stored import StoredReading


@dataclass(frozen=True)
class UntrainedWeights(Check):
    """A weight still has its initial random values, although the file counts optimizer updates.

    ## What it means
    This weight looks exactly as the initializer left it, so training never changed it. It is missing from the
    optimizer, it is frozen, or no gradient reached it.

    ## Example
    ```python broken
    # fc1 is missing
    optimizer = torch.optim.Adam(model.fc2.parameters(), lr=1e-3)
    train(model, optimizer, updates=100)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, "last.pt")
    ```
    ```python repaired
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    train(model, optimizer, updates=100)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, "last.pt")
    ```

    ## Fix
    ```python any
    # pass all parameters; then attach spikecheck and run one update
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## When it is intended
    The layer is a fixed random projection, as in a reservoir.
    ```toml
    [tool.spikecheck.ignore]
    "SPK507:reservoir.weight" = "random on purpose"
    ```

    ## How it is decided
    The uniform initializers of `torch.nn` (the default of `nn.Linear` and `nn.Conv`, Xavier, He) fill an interval
    evenly and exactly up to its ends; one optimizer update of ordinary size already blurs the ends. The check fires
    in a file that counts updates or epochs, on a weight of at least {min_elements} elements that still fills such an
    interval up to its ends, with the mean and the mean square of a uniform distribution. That is a note, and a
    warning from {min_updates} updates on. For n uniform random numbers, mean and mean square deviate by more than
    {z_score} standard errors once in 100,000 cases, and the outermost number is more than {max_edge_gap} / n of half
    the interval away from its end once in a million. A normal distribution has no ends, so weights initialized from
    one are not judged. A common reason why no gradient arrives is a spike function without a surrogate gradient.
    """

    id: ClassVar = "SPK507"
    slug: ClassVar = "untrained-weights"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.STORED
    needs: ClassVar = (StoredReading,)
    explained_by: ClassVar = ("SPK508",)
    message: ClassVar = "{site} looks untrained: after {updates} updates or epochs it still matches its initialization"

    min_elements: int = limit(
        1000, why="derived: with fewer, chance blurs the ends too much to tell one update from none"
    )
    min_updates: int = limit(
        50, why="measured: five small updates of plain SGD move no weight by more than 0.04% of its interval"
    )
    z_score: float = limit(
        4.5, why="derived: mean and mean square of an even draw are this many standard errors off once in 100,000"
    )
    max_edge_gap: float = limit(
        14.0, why="derived: the largest of n draws is more than 14 / n below the end once in a million"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a file that counts updates holds a weight as initialized."""
        weight, updates = readings[StoredReading], readings.run.update
        if weight.role != "weight" or updates == 0 or weight.elements < self.min_elements or not weight.finite:
            return
        for initializer, bound in bounds(weight).items():
            if is_uniform(weight, bound, self.z_score, self.max_edge_gap):
                yield self.finding(
                    site,
                    severity=Severity.WARNING if updates >= self.min_updates else Severity.NOTE,
                    observed=Observed(
                        "evenly distributed from {minimum} to {maximum}, as from {initializer} (-{bound} to {bound})",
                        minimum=weight.minimum,
                        maximum=weight.maximum,
                        initializer=initializer,
                        bound=bound,
                    ),
                    expected=Expected(
                        "values beyond the ends of the initial interval",
                        because="one update of ordinary size moves them there",
                    ),
                    updates=updates,
                )
                return


def bounds(weight: StoredReading) -> dict[str, float]:
    """Return half the width of the interval that each uniform initializer fills, by its name."""
    outputs = weight.elements / weight.fan_in
    spread = weight.elements / (weight.shape[0] * weight.shape[1]) if weight.dimensions > 1 else 1
    return {
        "the default of nn.Linear": sqrt(1 / weight.fan_in),
        "kaiming_uniform_": sqrt(6 / weight.fan_in),
        "xavier_uniform_": sqrt(6 / (weight.fan_in + outputs * spread)),
    }


def is_uniform(weight: StoredReading, bound: float, z_score: float, max_edge_gap: float) -> bool:
    """Return whether a weight fills the interval evenly and up to its ends."""
    n = weight.elements
    if weight.minimum is None or weight.maximum is None:
        return False
    end = bound * (1 + 1e-6)  # rounded to float32
    inside = -end <= weight.minimum and weight.maximum <= end
    edges = min(-weight.minimum, weight.maximum) >= bound * (1 - max_edge_gap / n)
    even = abs(weight.mean) <= z_score * bound / sqrt(3 * n)
    return inside and edges and even and abs(weight.rms**2 * 3 / bound**2 - 1) <= z_score * sqrt(0.8 / n)
