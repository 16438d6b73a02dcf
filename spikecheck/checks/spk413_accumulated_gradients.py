"""Gradients that are never cleared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import and_more, weight_names
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.site import Moment, Site, SiteKind
from spikecheck.update_readings import StaleGradientReading


@dataclass(frozen=True)
class AccumulatedGradients(Check):
    """The gradients of an earlier update are still there when the next backward pass adds to them.

    ## What it means
    `optimizer.zero_grad()` is never called, so each update follows the sum of all gradients since the beginning. Old
    directions never fade: the loss falls at first, then oscillates or gets worse.

    ## Example
    ```python broken
    for x, y in loader:
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    ```
    ```python repaired
    for x, y in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    ```

    ## Fix
    ```python any
    # before loss.backward(), or after optimizer.step()
    optimizer.zero_grad()
    ```

    ## When it is intended
    The method follows the sum of all gradients, as dual averaging does.
    ```toml
    [tool.spikecheck.ignore]
    "SPK413" = "dual averaging"
    ```

    ## How it is decided
    In all observed updates (at least {min_updates}), the gradient was never cleared between an optimizer step and the
    next backward pass. Accumulating gradients over several batches and clearing them after the step is different, and
    this check does not report it.

    The sum grows with every batch, so old gradients outweigh new ones: with Adam this acts like a momentum that never
    fades, with SGD like a learning rate that keeps rising.
    """

    id: ClassVar = "SPK413"
    slug: ClassVar = "accumulated-gradients"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.GRADIENT
    needs: ClassVar = (StaleGradientReading,)
    past: ClassVar = "gradients of {site} were not cleared"
    message: ClassVar = "gradients of {site}{more} are never cleared"

    min_updates: int = limit(
        3, why="judgment call: one such update may come from a line before the training loop, three do not"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first such weight."""
        stale = readings.all.every(StaleGradientReading)
        names = [
            n
            for n in weight_names(readings)
            if n in stale and stale[n].stale_updates == stale[n].updates >= self.min_updates
        ]
        if names[:1] != [site.name]:
            return
        yield self.finding(
            site,
            observed=Observed(
                "in {stale} of {updates} observed updates, the gradient of the previous update was still there",
                stale=stale[site.name].stale_updates,
                updates=stale[site.name].updates,
            ),
            expected=Expected(
                "gradients cleared once per update",
                because="otherwise an update follows the sum of all batches so far",
            ),
            when=Moment(0),
            more=and_more(names),
        )
