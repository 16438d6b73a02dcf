"""Updates that are too small to learn anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import plain_number
from spikecheck.checks.learning import losses_without_learning, makes_progress
from spikecheck.checks.progress import SLOW_UPDATE, and_more, fastest_weight, moves_by_its_rate
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import GradientReading, ParameterReading, UpdateReading
from spikecheck.site import LearningRateHistory, Moment, Site, SiteKind


@dataclass(frozen=True)
class ColdLearningRate(Check):
    """Updates are so small that nothing is learned in this run.

    ## What it means
    Even the weight with the largest updates hardly moves, and the loss does not fall. The learning rate is far too low
    for the gradients that arrive. Or one parameter group has a learning rate so far below that of another that its
    parameters stay where they were, while the rest of the network learns.

    ## Example
    ```python broken
    model = torch.nn.Sequential(torch.nn.Linear(700, 20), snntorch.Leaky(beta=0.9, init_hidden=True))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-7, weight_decay=1e-3)  # the two numbers are swapped
    ```
    ```python repaired
    model = torch.nn.Sequential(torch.nn.Linear(700, 20), snntorch.Leaky(beta=0.9, init_hidden=True))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-7)
    ```

    ## Fix
    ```python any
    # 0.001 to 0.01 is usual for spiking networks
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## When it is intended
    The learning rate is still being warmed up, over thousands of updates.
    ```toml
    [tool.spikecheck.ignore]
    "SPK410" = "warm-up of 10,000 updates"
    ```

    ## How it is decided
    The weight with the largest updates, relative to its norm or, if that is larger, to the norm of torch's default
    weights, moves by less than {min_relative_update} of its norm per update, over at least
    {min_updates} updates, and the loss does not fall. Three kinds of learning rate are not reported:

    - one that a schedule has lowered to less than {min_rate_fraction} of its highest value, at which the weight moved
      far enough;
    - while training runs, one below {min_rate_fraction} of the rate that the optimizer had when its scheduler was
      built, since it may be a warm-up;
    - one of {min_ordinary_rate} or more: not the learning rate, but the gradient is then too small.

    If the optimizer scales gradients to the learning rate, as Adam does, so that the RMS of an update is a tenth of the
    learning rate or more, and no loss shows learning after 64 or more, updates below {min_scaled_update} are reported.

    At a pace of {min_relative_update}, a weight needs 10,000 updates to move as far as its own norm, even if every
    update has the same direction. Silent layers and small gradients may explain such updates, but not where the
    optimizer scales gradients, or where the highest learning rate is {max_unexplained_rate} or less: then the learning
    rate is a root cause, whatever else is wrong. A layer that was silent from the start, and that gradients reach, is
    only a note then: training may wake it up.

    Of several parameter groups of an optimizer, one is reported as well if its highest learning rate is above 0 and at
    most {max_rate_ratio} times that of another, and its parameters, which receive gradients, have moved by less than
    {max_movement:%} of their norm in {min_updates} updates or more. A learning rate of 0 is not reported here, since it
    freezes parameters on purpose.

    A learning rate of 10^-7 instead of 10^-3 is often a weight decay and a learning rate that changed
    places, or a warm-up that counts updates but is stepped once per epoch.
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
    past: ClassVar = "updates of {site} were tiny"
    message: ClassVar = "{what}"

    min_relative_update: float = limit(
        1e-4,
        why="measured: weights of healthy networks move by 0.004 of their norm or more per update; with Adam at a "
        "learning rate of 10^-7, by 10^-6",
    )
    min_updates: int = limit(50, why="judgment call: long enough for most warm-ups to have raised the learning rate")
    min_ordinary_rate: float = limit(
        0.01, why="judgment call: a usual learning rate for SGD, and ten times torch's default for Adam"
    )
    min_rate_fraction: float = limit(
        0.1, why="derived: a learning rate that is this far below its highest value was lowered by a schedule"
    )

    max_unexplained_rate: float = limit(
        1e-6,
        why="derived: with Adam, a weight of 0.1 takes 100,000 updates or more to move by its own size",
    )
    min_scaled_update: float = limit(
        SLOW_UPDATE,
        why="measured: 0.0025 with AdamW at a learning rate of 10^-4, and 0.00025 at one of 10^-5, at which a network "
        "that needs 60 updates at 2 * 10^-3 to wake up learned nothing in 200",
    )
    max_rate_ratio: float = limit(
        1e-5, why="derived: 100,000 updates of such a group move its parameters as far as one update of the other group"
    )
    max_movement: float = limit(0.01, why="judgment call: what has moved by 1% of its norm is as good as unchanged")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the weight that moves most, where even that one hardly moves, and at a group that stays.

        The first of the parameters that stay has the finding of their group.
        """
        yield from self.slowest_weight(site, readings)
        yield from self.group_at_rest(site, readings)

    def group_at_rest(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the first parameter whose learning rate is far below that of others."""
        histories = {
            name: update.learning_rate_history
            for name, update in readings.all.every(UpdateReading).items()
            if update.learning_rate_history is not None
        }
        highest = highest_rates(histories.values())
        low = [
            n for n, one in histories.items() if 0 < one.maximum_rate <= self.max_rate_ratio * highest[one.optimizer]
        ]
        at_rest = [name for name in low if self.stays(readings.at(name))]
        if at_rest[:1] != [site.name] or readings.run.update < self.min_updates:
            return
        history = histories[site.name]
        if readings.run.live and self.warms_up(history):
            return
        others = highest[history.optimizer]
        yield self.finding(
            site,
            observed=Observed(
                "a learning rate of {rate:n} for {names}, and of {highest:n} for others",
                rate=history.maximum_rate,
                names=", ".join(at_rest),
                highest=others,
            ),
            expected=Expected(
                "learning rates that differ by a few powers of ten", because="otherwise one group stays as it was set"
            ),
            when=Moment(0),
            excess=log10(self.max_rate_ratio * others / history.maximum_rate),
            fixes=(Fix(f'for group in optimizer.param_groups:\n    group["lr"] = {plain_number(others)}'),),
            what=fill(
                "{first}{more} {verb} where {pronoun} began: a learning rate of {rate:n}, beside {highest:n}",
                first=site.name,
                more=and_more(at_rest),
                verb="stays" if len(at_rest) == 1 else "stay",
                pronoun="it" if len(at_rest) == 1 else "they",
                rate=history.maximum_rate,
                highest=others,
            ),
        )

    def stays(self, parameter: Readings) -> bool:
        """Return whether a parameter receives gradients and has hardly moved."""
        gradient, update = parameter.all.get(GradientReading), parameter.all[UpdateReading]
        movement = update.mean_relative_norm * parameter.run.update
        return gradient is not None and gradient.mean_norm > 0 and movement < self.max_movement

    def slowest_weight(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the weight that moves most, where even that one hardly moves."""
        most_moved, pace = fastest_weight(readings)
        if most_moved != site.name or readings.run.update < self.min_updates or makes_progress(readings):
            return
        update = readings.all[UpdateReading]
        history = update.learning_rate_history
        by_rate = moves_by_its_rate(readings.at(most_moved))
        at_guess = by_rate and losses_without_learning(readings) is not None
        least = self.min_scaled_update if at_guess else self.min_relative_update
        if pace >= least or pace == 0 or (history is not None and self.is_lowered(history, pace, least)):
            return
        if readings.run.live and history is not None and self.warms_up(history):
            return
        rate = update.learning_rate
        if rate is not None and rate >= self.min_ordinary_rate:
            return
        finding = self.finding(
            site,
            observed=Observed(
                "updates of {relative_update:n} of the norm on average, {movement:n} in {updates} updates"
                + ("" if rate is None else f" at a learning rate of {rate:n}"),
                rate=rate,
                relative_update=pace,
                movement=pace * readings.run.update,
                updates=readings.run.update,
            ),
            expected=Expected(
                "updates of at least {min_update:n} of the norm",
                min_update=least,
                because="with smaller ones, the weights stay where they are, and the loss does not fall",
            ),
            when=Moment(0),
            excess=log10(least / pace),
            what=fill(
                "one update changes {site} by {relative_update:n} of its norm; no weight moves faster",
                site=site,
                relative_update=pace,
            ),
        )
        highest = rate if history is None else history.maximum_rate
        too_low_by_itself = by_rate or (highest is not None and highest <= self.max_unexplained_rate)
        yield replace(finding, explained_by=()) if too_low_by_itself else finding

    def is_lowered(self, history: LearningRateHistory, pace: float, least: float) -> bool:
        """Return whether a schedule has lowered a learning rate at which the weights moved far enough."""
        lowered = history.rate < self.min_rate_fraction * history.maximum_rate
        return lowered and pace * history.updates >= least * history.updates_at_maximum

    def warms_up(self, history: LearningRateHistory) -> bool:
        """Return whether a scheduler holds the learning rate far below the one that it was given."""
        return history.rate < self.min_rate_fraction * history.scheduled_rate


def highest_rates(histories: Iterable[LearningRateHistory]) -> dict[str, float]:
    """Return the highest learning rate of each optimizer."""
    highest: dict[str, float] = {}
    for history in histories:
        highest[history.optimizer] = max(history.maximum_rate, highest.get(history.optimizer, 0.0))
    return highest
