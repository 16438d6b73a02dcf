"""A schedule that ended training at its beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import has_learned
from spikecheck.checks.progress import update_readings, weight_names
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import UpdateReading
from spikecheck.site import LearningRateHistory, Moment, Site, SiteKind


@dataclass(frozen=True)
class CollapsedLearningRate(Check):
    """A schedule lowered the learning rate to almost nothing before anything was learned.

    ## What it means
    The learning rate fell so early that the rest of the run changes nothing. The usual cause is a scheduler made for
    epochs that is stepped after every batch.

    ## Example
    ```python broken
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for x, y in loader:  # 80 batches
        train_step(x, y)
        scheduler.step()  # halves the learning rate 80 times
    ```
    ```python repaired
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for x, y in loader:
        train_step(x, y)
    scheduler.step()  # once per epoch
    ```

    ## Fix
    ```python any
    for epoch in range(epochs):
        for x, y in loader:
            train_step(x, y)
        # after the epoch, not after the batch; or use a schedule for the number of batches
        scheduler.step()
    ```

    ## When it is intended
    The last stage of a training that began before `attach`.
    ```toml
    [tool.spikecheck.ignore]
    "SPK411" = "final stage"
    ```

    ## How it is decided
    Effective updates are the sum of all learning rates so far, divided by the highest one: how many updates at the
    highest rate the run amounts to. A finding needs a learning rate of {min_rate_fraction} of its highest value or
    less, and effective updates of at most {min_effective_fraction} of the number of updates and at most
    {min_effective_updates}, and the loss is no better than a guess. A cosine amounts to half of its updates, and so
    does a line down to 0.

    `StepLR(optimizer, 1, gamma=0.5)`, stepped after every batch, halves the rate 80 times in 80 batches: all that can
    be learned is what two updates bring.
    """

    id: ClassVar = "SPK411"
    slug: ClassVar = "collapsed-learning-rate"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (UpdateReading,)
    past: ClassVar = "the learning rate of {site} had collapsed"
    message: ClassVar = "the learning rate of {site} fell from {highest:n} to {rate:n} within {updates} updates"

    min_rate_fraction: float = limit(0.01, why="derived: a hundred updates a hundredth as long are needed for one")
    min_effective_fraction: float = limit(
        0.2,
        why="derived: a cosine and a line amount to 0.5 of their updates, a line to the power of 3 to 0.25; measured: "
        "halving after each batch amounts to 0.025 of 80",
    )
    min_effective_updates: float = limit(
        50.0, why="judgment call: fewer updates at the full rate rarely teach a network anything"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first weight whose learning rate has collapsed, if nothing was learned by then."""
        if has_learned(readings):
            return
        updates = update_readings(readings, weight_names(readings))
        histories = {
            name: update.learning_rate_history
            for name, update in updates.items()
            if update.learning_rate_history is not None
        }
        collapsed = [name for name, history in histories.items() if self.has_collapsed(history)]
        if collapsed[:1] != [site.name]:
            return
        history = histories[site.name]
        yield self.finding(
            site,
            observed=Observed(
                "a learning rate of {rate:n} after {updates} updates, {highest:n} at most: as many as "
                "{effective_updates:n} updates at the highest rate",
                rate=history.rate,
                updates=history.updates,
                highest=history.maximum_rate,
                effective_updates=history.updates_at_maximum,
            ),
            expected=Expected("a learning rate that lasts for the run", because="the remaining updates change nothing"),
            when=Moment(readings.run.update),
            excess=log10(self.min_effective_fraction * history.updates / history.updates_at_maximum),
        )

    def has_collapsed(self, history: LearningRateHistory) -> bool:
        """Return whether hardly anything is left of the learning rate, and was so for most of the run."""
        few = (
            0
            < history.updates_at_maximum
            <= min(self.min_effective_updates, self.min_effective_fraction * history.updates)
        )
        return few and history.rate <= self.min_rate_fraction * history.maximum_rate
