"""Updates that are as large as the weights themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from math import inf, log10, sqrt
from statistics import median_low
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import plain_number
from spikecheck.checks.layers import LARGE_SCALE, WHY_LARGE_SCALE, has_several_axes, without_cause
from spikecheck.checks.learning import (
    MIN_LOSSES,
    every_learning,
    has_learned,
    has_learned_much,
    losses_without_learning,
    most_losses,
    telling,
)
from spikecheck.checks.progress import DEFAULT_SCALE, is_neuron_parameter, norm_of_scale, pace_of
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import LossReading, ParameterReading, UpdateReading
from spikecheck.site import MUCH_HIGHER, Moment, Site, SiteKind

MANY_TIMES = 10.0  # judgment call: from there on, a percentage is hard to read


class How(Enum):
    """In which way updates move a parameter too far."""

    MOVED = auto()  # they are large relative to a weight
    GROWN = auto()  # they have made a weight far larger
    RESTLESS = auto()  # most weights still move far, and little is learned
    JUMPING = auto()  # they are large relative to a threshold, a decay or a time constant


@dataclass(frozen=True)
class HotLearningRate(Check):
    """Updates change a weight by half of its norm or more, and the loss does not fall.

    ## What it means
    The learning rate is so high that each update replaces what was learned before by a direction that was right for one
    batch. Spiking layers become silent or saturated, and the activity of recurrent layers, or of layers with several
    spikes per time step, explodes.

    ## Example
    ```python broken
    model = torch.nn.Sequential(torch.nn.Linear(700, 20), sinabs.layers.IAF())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)  # the first update is 4.6 times the weights' norm
    ```
    ```python repaired
    model = torch.nn.Sequential(torch.nn.Linear(700, 20), sinabs.layers.IAF())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)  # 0.05 times the weights' norm
    ```

    ## Fix
    ```python any
    # 0.001 to 0.01 is usual for spiking networks
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    ```

    ## When it is intended
    The optimizer is made for such updates, as some for very large batches are.
    ```toml
    [tool.spikecheck.ignore]
    "SPK407" = "trust ratio, warm-up over 500 updates"
    ```

    ## How it is decided
    On average over all updates so far, or over the recent ones (at least {min_updates}), an update changes the weight
    by {max_relative_update} times its norm or more, and the loss is no lower than at first, or 64 losses or more show
    that nothing is learned. Only the weight with the largest relative update is reported. The finding ends when the
    network has learned, or when the learning rate is below {max_rate_fraction} of its highest value.

    Large updates make the weight itself larger, and later updates are then small compared with it. So there is also a
    finding if the loss is no lower than at first, and the updates made a weight at least {min_growth} times as large as
    it was, with a scale, RMS * sqrt(fan-in), above {max_scale}. Only this second rule needs an observed loss.

    After training, it is also reported if the loss has fallen by less than half and falls no more, after 64 losses or
    more, while an update still changes most weights by {max_late_update:%} of their norm or more. A weight near 0 is
    compared with torch's default initialization here, too.

    A threshold, a decay or a time constant may have a learning rate of its own. It is reported if no weight is, the
    loss is no lower than at first or nothing is learned, a single update changed it by {max_relative_update} times its
    value or more, or updates change it by {max_drift:%} of its value on average, and the mean update is at least
    {min_jump:%} of its value at first.

    The finding dates from the first update by half of the norm. The first 10 updates are compared, every 16th one, and
    those whose learning rate is more than twice as high as any before.

    Compared with a weight that starts at or near 0 (a position embedding, a class token, the second matrix of LoRA, a
    head initialized with 0), any update is large. Such a weight is reported only if its updates are also large compared
    with torch's default initialization, which has a scale, RMS * sqrt(fan-in), of {default_scale}.

    Adam's first update is the learning rate in every entry, whatever the gradient. Compared with torch's default
    weights, that is lr * sqrt(3 * fan-in): 0.05 for a learning rate of 0.001 and 700 inputs, 4.6 for 0.1.

    ## References
    Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 2.1: the update is bounded by the
    learning rate.
    """

    id: ClassVar = "SPK407"
    slug: ClassVar = "hot-learning-rate"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.UPDATE
    needs: ClassVar = (UpdateReading, ParameterReading)
    explained_by: ClassVar = ("SPK413",)
    past: ClassVar = "updates of {site} were too large for its norm"
    message: ClassVar = "{what}, and {loss}"

    max_relative_update: float = limit(
        0.5,
        why="derived: two updates of half the norm can undo the weights; measured over the first five updates: at most "
        "0.12 in nearly all of 60 healthy networks, 0.53 in one that is not reported, since its loss fell, and 4.9 "
        "with Adam at a learning rate of 0.5 in a layer of 700 inputs",
    )
    min_updates: int = limit(
        5, why="judgment call: the very first updates, of a warm-up or of Adam, may be unusually small or large"
    )
    default_scale: float = limit(
        DEFAULT_SCALE, why="derived: 1 / sqrt(3), since the default of nn.Linear is uniform within 1 / sqrt(fan-in)"
    )
    max_scale: float = limit(LARGE_SCALE, why=WHY_LARGE_SCALE)
    min_growth: float = limit(
        3.0, why="derived: 8/9 of the squared norm is then what the updates added, if their direction is random"
    )
    min_jump: float = limit(
        0.1,
        why="measured: 0.5 or more with a learning rate of 0.5 for thresholds; 0.07 where a threshold passes 0 on its "
        "way, so that any update is large relative to its value; the value in between is a judgment call",
    )
    max_drift: float = limit(
        0.05,
        why="derived: in 20 such updates, a time constant moves by its own value, and may pass 0; measured: 0.07 with "
        "Adam at a learning rate of 3 for time constants of 20, until they were NaN",
    )
    max_late_update: float = limit(
        0.1,
        why="measured: 0.003 to 0.036 in public programs that learn, 0.14 with Adam at a learning rate of 1; the value "
        "in between is a judgment call",
    )
    max_rate_fraction: float = limit(
        0.1, why="judgment call: at a tenth of the learning rate, the updates are no longer those that were reported"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding at the weight that is moved most, if that is far and nothing is learned."""
        if has_learned_much(readings):
            return
        name, how = self.named(readings)
        if name != site.name:
            return
        if how is How.MOVED:
            relative = self.relative_update(readings)
            size = "{relative:%} of" if relative < MANY_TIMES else "{relative:n} times"
            what = fill(f"one update changes {{site}} by {size} its norm", site=site, relative=relative)
            expected = Expected(
                "updates of less than {max_update:%} of the norm",
                max_update=self.max_relative_update,
                because="a larger update replaces what was learned before",
            )
            excess = log10(relative / self.max_relative_update)
        elif how is How.GROWN:
            growth = growth_of(readings)
            what = fill("updates made {site} {growth:x} as large as at first", site=site, growth=growth)
            expected = Expected(
                "weights that stay near the size of their initialization",
                because=fill(
                    "standard initializers give a scale of 0.6 to 1.4, and the updates made it {scale:n}",
                    scale=readings[ParameterReading].scale,
                ),
            )
            excess = log10(growth / self.min_growth)
        elif how is How.RESTLESS:
            relative = median_low(self.late_updates(readings).values())
            what = fill("an update still changes most weights by {relative:%} of their norm or more", relative=relative)
            expected = Expected(
                "updates of less than {max_update:%} of the norm, once the loss no longer falls",
                max_update=self.max_late_update,
                because="larger ones keep the weights from settling",
            )
            excess = log10(relative / self.max_late_update)
        else:
            update = readings.all[UpdateReading]
            largest, mean = update.max_relative_norm, update.mean_relative_norm
            jumps = largest >= self.max_relative_update
            what = fill("single updates change {site} by up to {largest:%} of its value", site=site, largest=largest)
            if not jumps:
                what = fill("an update changes {site} by {mean:%} of its value on average", site=site, mean=mean)
            expected = Expected(
                "updates of less than {most:%} of the value",
                most=self.max_relative_update if jumps else self.max_drift,
                because="a threshold or a decay that jumps silences a layer, or makes it fire all the time",
            )
            excess = log10(largest / self.max_relative_update if jumps else mean / self.max_drift)
        yield self.finding_of(site, readings, what, expected, excess=excess)

    def named(self, readings: Readings) -> tuple[str | None, How]:
        """Return the parameter that stands for all that are moved too far, and how it is; None where none is."""
        moved, grown, learned = self.most_moved(readings), self.most_grown(readings), has_learned(readings)
        if moved is not None and not learned and self.moves_far(readings.at(moved)) and not learns(readings):
            return moved, How.MOVED
        if grown is not None and not learned and readings.all.every(LossReading) and not loss_is_lower(readings):
            return grown, How.GROWN
        if self.is_restless(readings):
            late = self.late_updates(readings)
            return max(late, key=lambda name: late[name]), How.RESTLESS
        return None if learned or learns(readings) else self.most_jumping(readings), How.JUMPING

    def is_restless(self, readings: Readings) -> bool:
        """Return whether most weights still move far in a run that is over, and a loss that fell little stopped."""
        fell = most_losses(readings) >= MIN_LOSSES and loss_is_lower(readings)
        stopped = fell and not any(one.falls_now for one in every_learning(readings))
        late = self.late_updates(readings).values()
        return stopped and not readings.run.live and bool(late) and median_low(late) >= self.max_late_update

    def late_updates(self, readings: Readings) -> dict[str, float]:
        """Return the mean recent update of each weight, relative to its norm, or to a default one if that is larger."""
        updates = readings.observations.readings_at("", "recent").every(UpdateReading)
        return {
            name: pace_of(update, readings.at(name)[ParameterReading], self.default_scale)
            for name, update in updates.items()
            if has_several_axes(name, readings) and update.updates >= self.min_updates
        }

    def finding_of(self, site: Site, readings: Readings, what: str, expected: Expected, excess: float) -> Finding:
        """Return the finding at a weight, with its updates and the learning rate, now and at first."""
        update, first = readings.all[UpdateReading], readings.first.get(UpdateReading)
        rate, first_rate = update.learning_rate, None if first is None else first.learning_rate
        raised = rate is not None and first_rate is not None and rate > MUCH_HIGHER * first_rate > 0
        finding = self.finding(
            site,
            observed=Observed(
                "updates of {relative_update:%} of the norm on average and {largest:%} at most, over {updates} updates"
                + ("" if rate is None else " at a learning rate of {rate:n}")
                + (" ({first_rate:n} at first)" if raised else ""),
                rate=rate,
                first_rate=first_rate,
                relative_update=self.relative_update(readings),
                largest=update.max_relative_norm,
                updates=update.updates,
            ),
            expected=expected,
            when=Moment(update.first_large or 0),
            excess=excess,
            fixes=lowered_rate(rate, first_rate) if raised else None,
            what=what,
            loss=course_of_loss(readings),
        )
        small_at_first = first is not None and first.mean_relative_norm < self.max_relative_update
        return finding if small_at_first else without_cause(finding, "SPK413")  # gradients could not accumulate yet

    def moves_far(self, weight: Readings) -> bool:
        """Return whether the updates of a weight are large."""
        update = weight.all.get(UpdateReading)
        enough = update is not None and update.updates >= self.min_updates
        return enough and self.relative_update(weight) >= self.max_relative_update

    def relative_update(self, weight: Readings) -> float:
        """Return the mean update of a weight, relative to its norm: over the run, or recently where that is more.

        Without what a decoupled weight decay takes away.
        """
        windows = [weight.all[UpdateReading], weight.get(UpdateReading)]
        return max(without_decay(one) for one in windows if one is not None and one.updates >= self.min_updates)

    def is_judged(self, readings: Readings, name: str, update: UpdateReading) -> bool:
        """Return whether it is a weight, and its updates are not large merely because it starts near 0."""
        parameter = readings.at(name).get(ParameterReading)
        if parameter is None or not has_several_axes(name, readings):
            return False
        default_norm = norm_of_scale(parameter, self.default_scale)
        return update.mean_norm is None or update.mean_norm >= self.max_relative_update * default_norm

    def most_moved(self, readings: Readings) -> str | None:
        """Return the weight that is moved most, relative to its norm."""
        updates = readings.all.every(UpdateReading)
        of_weights = {name: update for name, update in updates.items() if self.is_judged(readings, name, update)}
        return max(of_weights, key=lambda name: without_decay(of_weights[name]), default=None)

    def most_jumping(self, readings: Readings) -> str | None:
        """Return the threshold, decay or time constant that a single update changed most, if they change it much."""
        jumping = {
            name: update.max_relative_norm
            for name, update in readings.all.every(UpdateReading).items()
            if update.updates >= self.min_updates
            and is_neuron_parameter(name, readings)
            and self.jumps_or_drifts(update, value_at_first(readings.at(name)))
        }
        return max(jumping, key=lambda name: jumping[name], default=None)

    def jumps_or_drifts(self, update: UpdateReading, at_first: float) -> bool:
        """Return whether single updates change a value by half, or all by a twentieth, relative to it at first too."""
        size = (update.mean_norm or 0.0) / at_first
        jumps = update.max_relative_norm >= self.max_relative_update and size >= self.min_jump
        return jumps or (update.mean_relative_norm >= self.max_drift and size >= self.max_drift)

    def most_grown(self, readings: Readings) -> str | None:
        """Return the weight that grew most, of those that updates made far larger than any initialization."""
        grown = {
            name: growth
            for name, update in readings.all.every(UpdateReading).items()
            if update.updates >= self.min_updates
            and has_several_axes(name, readings)
            and self.min_growth <= (growth := growth_of(readings.at(name))) < inf
            and readings.at(name)[ParameterReading].scale > self.max_scale
        }
        return max(grown, key=lambda name: grown[name], default=None)

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the network has learned since, the learning rate was lowered, or another weight stands for it.

        Updates also become small in a network that large ones have silenced: that ends nothing.
        """
        update = readings.all.get(UpdateReading)
        history = None if update is None else update.learning_rate_history
        lowered = history is not None and history.rate < self.max_rate_fraction * history.maximum_rate
        name, _ = self.named(readings)
        elsewhere = name not in (None, finding.site.name)
        return not made_now and (lowered or elsewhere or has_learned(readings))


def course_of_loss(readings: Readings) -> str:
    """Return what became of the loss, as a clause."""
    learned = [one for one in telling(readings) if one.has_learned]
    if learned:
        return fill("the loss stays at {level:n} ({first:n} at first)", level=learned[0].level, first=learned[0].first)
    return "the loss does not fall" if readings.all.every(LossReading) else "no loss was observed"


def without_decay(update: UpdateReading) -> float:
    """Return the mean update relative to the norm, less the share that a decoupled weight decay takes away."""
    history = update.learning_rate_history
    decay = None if history is None else history.decay_per_update
    return max(0.0, update.mean_relative_norm - (decay or 0.0))


def value_at_first(parameter: Readings) -> float:
    """Return the size of a parameter before the first update; infinite where it is not known or 0."""
    first = parameter.first.get(ParameterReading)
    return inf if first is None or not first.rms else first.rms * sqrt(first.elements)


def growth_of(weight: Readings) -> float:
    """Return how many times larger a weight is than before the first update; 0 where that is not known."""
    now, first = weight.get(ParameterReading), weight.first.get(ParameterReading)
    return 0.0 if now is None or first is None or not first.rms else now.rms / first.rms


def lowered_rate(rate: float | None, first_rate: float | None) -> tuple[Fix, ...]:
    """Return the fix where the learning rate rose in the course of the run: the rate that it had at first."""
    if rate is None or first_rate is None:
        return ()
    rose = fill(
        "# the learning rate rose from {first:n} to {rate:n}: correct the schedule", first=first_rate, rate=rate
    )
    return (Fix(f"{rose}\noptimizer = torch.optim.Adam(model.parameters(), lr={plain_number(first_rate)})"),)


def learns(readings: Readings) -> bool:
    """Return whether a loss is lower than at first, and too few show that this means nothing."""
    return loss_is_lower(readings) and losses_without_learning(readings) is None


def loss_is_lower(readings: Readings) -> bool:
    """Return whether any loss is below where it began."""
    losses = readings.all.every(LossReading).values()
    return any(loss.first is not None and (loss.recent_mean or loss.first) < loss.first for loss in losses)
