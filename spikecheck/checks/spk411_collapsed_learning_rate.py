"""A schedule that ended training at its beginning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import has_learned_much, losses_without_learning
from spikecheck.checks.progress import update_readings, weight_names
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import UpdateReading
from spikecheck.site import LearningRateHistory, Moment, Site, SiteKind


@dataclass(frozen=True)
class CollapsedLearningRate(Check):
    """A schedule lowered the learning rate to almost nothing before much was learned.

    ## What it means
    The learning rate fell so early that the rest of the run changes nothing. The usual causes are a scheduler made for
    epochs that is stepped after every batch, and `ReduceLROnPlateau` that is given an accuracy: unless it is told
    `mode="max"`, it takes every rise for a plateau.

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
    # if the scheduler is given an accuracy: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max")
    ```

    ## When it is intended
    This is the last stage of a training that began before spikecheck was attached.
    ```toml
    [tool.spikecheck.ignore]
    "SPK411" = "final stage"
    ```

    ## How it is decided
    The effective updates of a run are the sum of its learning rates, divided by the highest one. This is the number of
    updates at the highest rate that would move the weights as far. For a cosine or linear schedule down to 0, they are
    half of all updates. A finding needs all of these:

    - the learning rate is down to {min_rate_fraction} of its highest value or less;
    - the effective updates are at most {min_effective_fraction} of all updates, or {min_effective_without_learning}
      where 64 losses or more show that nothing is learned, and at most {min_effective_updates};
    - the loss is still above half of that of a guess without the input.

    `StepLR(optimizer, 1, gamma=0.5)`, stepped after each of 80 batches, halves the learning rate 80 times. All updates
    together have the effect of two updates at the first rate.
    """

    id: ClassVar = "SPK411"
    slug: ClassVar = "collapsed-learning-rate"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (UpdateReading,)
    past: ClassVar = "the learning rate of {site} had collapsed"
    message: ClassVar = "the learning rate of {site} fell from {highest:n} to {rate:n} within {updates} updates"

    min_rate_fraction: float = limit(
        0.01, why="derived: at 0.01 of the rate, 100 updates move a weight as far as one update did before"
    )
    min_effective_fraction: float = limit(
        0.2,
        why="derived: 0.5 for a cosine or linear schedule down to 0, 0.25 for a cubic one; measured: 0.025 for a "
        "learning rate that is halved after each of 80 batches, just above 0.2 in a network that learns, with a "
        "schedule that waits for a plateau",
    )
    min_effective_without_learning: float = limit(
        0.24,
        why="derived: 0.25 for a cubic schedule; measured: 0.202 if the rate is divided by 10 after each 40 of 225",
    )
    min_effective_updates: float = limit(
        50.0, why="judgment call: fewer updates at the full rate rarely teach a network anything"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield one finding, at the first weight whose learning rate has collapsed, if little was learned by then."""
        if has_learned_much(readings):
            return
        updates = update_readings(readings, weight_names(readings))
        histories = {
            name: update.learning_rate_history
            for name, update in updates.items()
            if update.learning_rate_history is not None
        }
        nothing = losses_without_learning(readings) is not None
        least = self.min_effective_without_learning if nothing else self.min_effective_fraction
        collapsed = [name for name, history in histories.items() if self.has_collapsed(history, least)]
        if collapsed[:1] != [site.name]:
            return
        history = histories[site.name]
        yield self.finding(
            site,
            observed=Observed(
                "a learning rate of {rate:n} after {updates} updates, down from {highest:n}: all of them together "
                "equal {effective_updates:n} updates at the highest rate",
                rate=history.rate,
                updates=history.updates,
                highest=history.maximum_rate,
                effective_updates=history.updates_at_maximum,
            ),
            expected=Expected("a learning rate that lasts for the run", because="the remaining updates change nothing"),
            when=Moment(readings.run.update),
            excess=log10(self.min_effective_fraction * history.updates / history.updates_at_maximum),
        )

    def has_collapsed(self, history: LearningRateHistory, least: float) -> bool:
        """Return whether hardly anything is left of the learning rate, and was so for most of the run."""
        few = 0 < history.updates_at_maximum <= min(self.min_effective_updates, least * history.updates)
        return few and history.rate <= self.min_rate_fraction * history.maximum_rate
