"""Gradients that are never cleared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import others, weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LeftoverReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class AccumulatedGradients(Check):
    """Gradients of a step that is over are still there when the next backward pass adds to them.

    ## What it means
    In {enough} updates or more that were looked at, and in all of them, the gradient was never cleared between one step
    of the optimizer and the next. Accumulating over several batches and clearing after the step is another thing, and
    not found by this.

    ## Why it matters
    Each step goes along the sum of all gradients since the beginning. It grows with every batch, old directions never
    fade, and the optimizer cannot turn round: with Adam it acts as a momentum without end, with SGD as a learning rate
    that rises by itself. The loss falls at first, then oscillates or gets worse.

    ## Fix
    ```python any
    optimizer.zero_grad()  # before loss.backward(), or after optimizer.step()
    ```

    ## Intended when
    The sum of all gradients is what the method steps along: `[tool.spikecheck.ignore] "SPK413" = "dual averaging"`
    """

    id: ClassVar = "SPK413"
    slug: ClassVar = "accumulated-gradients"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GRADIENT
    needs: ClassVar = (LeftoverReading,)
    message: ClassVar = "gradients of {site}{more} are never cleared"

    enough: int = limit(3, why="taste: once may be a forgotten line before the loop, three times is the loop")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first such weight."""
        left = readings.all.every(LeftoverReading)
        names = [n for n in weights(readings) if n in left and left[n].kept == left[n].updates >= self.enough]
        if names[:1] != [site.name]:
            return
        yield self.found(
            site,
            seen=Seen(
                "in {kept} of {updates} updates looked at, the gradient of the step before was there",
                kept=left[site.name].kept,
                updates=left[site.name].updates,
            ),
            expected=Expected("cleared gradients", because="a step then goes along the sum of all batches so far"),
            when=Moment(0),
            more=others(names),
        )
