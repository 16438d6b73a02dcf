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
    """A weight still has its initial random values, although the file records optimizer updates.

    ## What it means
    The values of this weight are distributed exactly as its initializer left them, so training has hardly changed them.
    The weight is missing from the optimizer, it is frozen, or no gradient reached it.

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
    # pass all parameters to the optimizer, and let all of them receive gradients
    model.requires_grad_(True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    # then look at one update
    monitor = spikecheck.attach(model)
    # run one update of your training loop here; the report names the weights that receive no gradient
    print(monitor.report())
    ```

    ## When it is intended
    The layer is a fixed random projection, as in a reservoir.
    ```toml
    [tool.spikecheck.ignore]
    "SPK507:reservoir.weight" = "random on purpose"
    ```

    ## How it is decided
    The uniform initializers of `torch.nn` (the default of `nn.Linear` and of convolutions, Xavier, He) fill an interval
    evenly, up to its ends. A single optimizer update of ordinary size moves some values beyond the ends. The check
    fires if the file records updates or epochs, and a weight of at least {min_elements} elements still fills such an
    interval: no value lies outside, the outermost ones lie next to the ends, and mean and mean square are those of a
    uniform distribution. The finding is a note, and a warning from {min_updates} updates on. Weights that were
    initialized from a normal distribution are not judged, since such a distribution has no ends.

    By chance, the check misses a few weights that were never updated. For a weight of n values, the mean or the mean
    square is more than {z_score} standard errors off about once in 100,000 cases. Once in 550 cases, the outermost
    value at one of the two ends is further from that end than {max_edge_gap} / n times half the width of the interval.
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
        50,
        why="judgment call: a few updates may be too small to leave a trace; if 50 leave none, the weight is as "
        "good as untrained",
    )
    z_score: float = limit(
        4.5,
        why="derived: the mean of random numbers is off by more than this many standard errors about once in 100,000 "
        "cases",
    )
    max_edge_gap: float = limit(
        14.0,
        why="derived: one of the two outermost of n values is further from its end than 14 / n times half the "
        "width of the interval once in 550 cases, 2 * exp(-7)",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a file that records updates holds a weight as initialized."""
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
