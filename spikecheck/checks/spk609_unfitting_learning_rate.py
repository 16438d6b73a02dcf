"""A network that learns with another learning rate alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.experiment_readings import LearningReading, RateLadderReading
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class UnfittingLearningRate(Check):
    """The loss falls with another learning rate, and does not fall with the one in use.

    ## What it means
    The optimizer's learning rate is too large or too small for this network, by a factor of ten or more.

    ## Example
    ```python broken
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-7)
    # ... updates that move no weight
    ```
    ```python repaired
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    # ... updates that do
    ```

    ## Fix
    ```python any
    # 10, or the factor that this finding names
    for group in optimizer.param_groups:
        group["lr"] *= 10
    ```

    ## When it is intended
    A warm-up begins with a small rate.
    ```toml
    [tool.spikecheck.ignore]
    "SPK609" = "warm-up"
    ```

    ## How it is decided
    `spikecheck.examine` trains copies with 0.01 to 100 times the learning rate, only if the network does not learn or
    has other findings. The check notes it if the loss at another rate ends {min_relative_fall:%} below the first loss
    and {min_deviations} standard deviations below the loss at the rate in use, which fell by less than
    {max_own_fall:%}. It is a note: a larger rate also speeds up most healthy networks.
    """

    id: ClassVar = "SPK609"
    slug: ClassVar = "unfitting-learning-rate"
    severity: ClassVar = Severity.NOTE
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.EXPERIMENT
    needs: ClassVar = (RateLadderReading, LearningReading)
    explained_by: ClassVar = ("SPK407", "SPK410", "SPK411")
    message: ClassVar = "the loss falls to {best:n} at {factor:n} times the learning rate, to {own:n} at the one in use"

    min_relative_fall: float = limit(0.2, why="judgment call: clearly below the first loss")
    max_own_fall: float = limit(0.05, why="judgment call: about what the loss differs from batch to batch")
    min_deviations: float = limit(3.0, why="judgment call: beyond the noise of single batches")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a note where another rate alone lets the loss fall."""
        ladder, untreated = readings[RateLadderReading], readings[LearningReading]
        own = dict(zip(ladder.factors, ladder.losses, strict=True)).get(1.0)
        best, factor = min(zip(ladder.losses, ladder.factors, strict=True))
        if untreated.learned is not False or own is None or factor == 1 or not isfinite(ladder.first_loss):
            return
        fell = isfinite(own) and own < (1 - self.max_own_fall) * ladder.first_loss
        if fell or best > (1 - self.min_relative_fall) * ladder.first_loss:
            return
        if best > own - self.min_deviations * ladder.noise:
            return
        yield self.finding(
            site,
            observed=Observed(
                "after {updates} updates, the loss is {own:n}, and {best:n} at {factor:n} times the rate; the first is "
                "{first:n}",
                updates=ladder.updates,
                own=own,
                best=best,
                factor=factor,
                first=ladder.first_loss,
            ),
            expected=Expected("a loss that falls at the rate in use", because="the gradients are good enough to learn"),
            when=Moment(),
        )
