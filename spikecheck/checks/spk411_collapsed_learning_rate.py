"""A schedule that ended the training at its beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import moved, weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import UpdateReading
from spikecheck.site import Moment, Pace, Site, SiteKind


@dataclass(frozen=True)
class CollapsedLearningRate(Check):
    """A schedule took the learning rate away before anything was learned.

    ## What it means
    The learning rate is below {fallen} of its highest value, all updates together are worth less than {short} of their
    number at that value, and fewer than {few} updates. A cosine is worth half of its updates, a line down to 0 as much.

    ## Why it matters
    What is left of the run changes nothing. `StepLR(optimizer, 1, gamma=0.5)` that is asked after every batch, rather
    than every epoch, halves the rate 80 times in 80 batches: all that can be learned is what two updates bring.

    ## Fix
    ```python any
    for epoch in range(epochs):
        for x, y in loader:
            train_step(x, y)
        scheduler.step()  # after the epoch, not after the batch; or a schedule made for the number of batches
    ```

    ## Intended when
    The last stage of a training that began before `attach`: `[tool.spikecheck.ignore] "SPK411" = "final stage"`
    """

    id: ClassVar = "SPK411"
    slug: ClassVar = "collapsed-learning-rate"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (UpdateReading,)
    message: ClassVar = "the rate of {site} fell from {highest:.3g} to {rate:.3g} in {updates} updates"

    fallen: float = limit(0.01, why="derived: of steps a hundredth as long, a hundred are needed for one")
    short: float = limit(
        0.2,
        why="derived: a cosine and a line are worth 0.5 of their updates, a line to the power of 3 is worth 0.25; "
        "measured: halving each batch is worth 0.025 of 80",
    )
    few: float = limit(50.0, why="taste: fewer updates at the full rate than this rarely teach a network anything")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first weight for which this holds, while the loss is not down."""
        updates = moved(readings, weights(readings))
        paces = {name: update.pace for name, update in updates.items() if update.pace is not None}
        gone = [name for name, pace in paces.items() if self.collapsed(pace)]
        if gone[:1] != [site.name]:
            return
        pace = paces[site.name]
        yield self.found(
            site,
            seen=Seen(
                "a rate of {rate:.3g} after {updates} updates, {highest:.3g} at most: worth {worth:.3g} at that",
                rate=pace.rate,
                updates=pace.updates,
                highest=pace.highest,
                worth=pace.worth,
            ),
            expected=Expected("a rate that lasts for the run", because="the steps of the rest change nothing"),
            when=Moment(readings.run.update),
            weight=log10(self.short * pace.updates / pace.worth),
        )

    def collapsed(self, pace: Pace) -> bool:
        """Is hardly anything left of the rate, and was it so for most of the run?"""
        gone = 0 < pace.worth <= min(self.few, self.short * pace.updates)
        return gone and pace.rate <= self.fallen * pace.highest
