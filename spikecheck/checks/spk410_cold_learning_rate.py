"""Steps too small to learn anything by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import learning, moved, weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import ParameterReading, UpdateReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class ColdLearningRate(Check):
    """The optimizer's steps are so small that nothing is learned in this run.

    ## What it means
    The weight that is moved most is moved by less than {cold} of its norm in an update, over {enough} updates or more,
    and the loss does not fall. The learning rate was no higher before.

    ## Why it matters
    At that pace a weight needs more than 10,000 updates to cover its own length, if every step goes the same way. The
    loss stays where it was, the activity is healthy, and gradients are of ordinary size. 1e-7 in place of 1e-3 is often
    a weight decay and a learning rate that changed places, or a warm-up that counts epochs and is asked in updates.

    ## Fix
    ```python any
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # 0.001 to 0.01 is usual for spiking networks
    ```

    ## Intended when
    A warm-up of thousands of updates: `[tool.spikecheck.ignore] "SPK410" = "warm-up of 10,000 updates"`
    """

    id: ClassVar = "SPK410"
    slug: ClassVar = "cold-learning-rate"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (
        UpdateReading,
        ParameterReading,
    )
    explained_by: ClassVar = (
        "SPK203",
        "SPK205",
        "SPK401",
        "SPK402",
        "SPK405",
    )
    message: ClassVar = "one step changes {site} by {share:.3g} times its norm, and no weight by more"

    cold: float = limit(
        1e-4,
        why="measured: healthy networks move by 4e-3 or more in an update, one with Adam at 1e-7 by 1e-6",
    )
    enough: int = limit(50, why="taste: long enough for most warm-ups in updates to have come to something")
    fallen: float = limit(
        0.1, why="derived: a rate below that of its highest was lowered by a schedule, on purpose or not"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the weight that is moved most, where even that is hardly moved."""
        updates = moved(readings, weights(readings))
        most = max(updates, key=lambda name: updates[name].mean, default=None)
        if most != site.name or readings.run.update < self.enough or learning(readings):
            return
        update = updates[most]
        pace = update.pace
        lowered = pace is not None and pace.rate < self.fallen * pace.highest
        if update.mean >= self.cold or update.mean == 0 or lowered:
            return
        rate = update.learning_rate
        yield self.found(
            site,
            seen=Seen(
                "a step of {share:.3g} times the norm on average, {path:.2g} in {updates} updates"
                + ("" if rate is None else f" at a learning rate of {rate:g}"),
                share=update.mean,
                path=update.mean * readings.run.update,
                updates=readings.run.update,
            ),
            expected=Expected(
                "more than {cold:g} of the norm",
                cold=self.cold,
                because="the loss does not fall, and the weights are where they were",
            ),
            when=Moment(0),
            weight=log10(self.cold / update.mean),
        )
