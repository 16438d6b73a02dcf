"""A loss that stays at that of a uniform guess, although the weights move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import constant_guess_loss
from spikecheck.checks.loss_trend import (
    LOSS_WINDOW,
    MIN_FALL,
    T_SCORE,
    WHY_LOSS_WINDOW,
    WHY_MIN_FALL,
    WHY_T_SCORE,
    LossTrend,
    has_too_few_losses,
    losses_per_update,
)
from spikecheck.finding import Expected, Finding, Severity
from spikecheck.readings import (
    GradientReading,
    LogitReading,
    LossReading,
    ParameterReading,
    TargetReading,
    UpdateReading,
)
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class ChancePlateau(Check):
    """The loss stays at ln C, that of a uniform guess over C classes, although the optimizer moves the weights.

    ## What it means
    The network gives every class about the same probability, whatever the input, and training does not change that.
    Either nothing about the input reaches the loss (a silent layer, mixed-up axes), or nothing about the labels reaches
    the weights (gradients that are cut off or NaN).

    ## Example
    ```python broken
    fc, lif = torch.nn.Linear(700, 20), snntorch.Leaky(beta=0.9, threshold=100.0)  # never reached: no spikes
    spikes, membrane = [], lif.init_leaky()
    for frame in x:  # x: [time, batch, 700], binary
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    loss = torch.nn.functional.cross_entropy(10 * torch.stack(spikes).mean(0), y)  # ln 20 = 3.00, update after update
    ```
    ```python repaired
    fc, lif = torch.nn.Linear(700, 20), snntorch.Leaky(beta=0.9, threshold=0.5)
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    loss = torch.nn.functional.cross_entropy(10 * torch.stack(spikes).mean(0), y)
    ```

    ## Fix
    ```python any
    x, y = next(iter(loader))
    # overfit a single batch: a working network learns it by heart
    for _ in range(200):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    # if the loss falls now, check the data: labels, axes, time bins
    # if it does not, check spikes and gradients layer by layer
    ```

    ## When it is intended
    The labels are random on purpose, as a control.
    ```toml
    [tool.spikecheck.ignore]
    "SPK302" = "shuffled labels"
    ```

    ## How it is decided
    A finding needs all of these:

    - the last 64 losses average between {max_below_chance} below and {max_above_chance} above ln C (3.0 for 20
      classes);
    - they do not fall: even the steepest line that fits them, {t_score} standard errors steeper than the best one,
      falls by less than {min_fall} in {loss_window} updates;
    - the optimizer moved some weight by {min_relative_movement} of its norm or more in that time, or no weight received
      a gradient.

    While training runs, spikecheck waits for {min_losses_in_training} losses, since a plateau may end. In the report
    after training, {loss_window} losses are enough.

    There is no finding where gradients arrive but the weights hardly move, as in a warm-up, or where neither gradients
    nor an optimizer was observed, as in a script that does not train. Nor is there one for a network that learns
    slowly: its loss falls, and is below the loss of always predicting the label frequencies, both by more than
    {t_score} standard errors.

    Of runs whose loss falls by {min_fall} or more in {loss_window} updates, less than one in 1,000 is reported by
    chance. A run whose loss stays near ln C without falling that clearly is reported, even if it would learn later.
    """

    id: ClassVar = "SPK302"
    slug: ClassVar = "chance-plateau"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = (
        "SPK102",
        "SPK103",
        "SPK104",
        "SPK106",
        "SPK107",
        "SPK108",
        "SPK110",
        "SPK203",
        "SPK204",
        "SPK205",
        "SPK206",
        "SPK207",
        "SPK208",
        "SPK209",
        "SPK210",
        "SPK214",
        "SPK215",
        "SPK305",
        "SPK306",
        "SPK310",
        "SPK314",
        "SPK315",
        "SPK401",
        "SPK402",
        "SPK403",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK409",
        "SPK410",
        "SPK411",
        "SPK412",
        "SPK413",
    )
    ascending: ClassVar = (("loss_window", "min_losses_in_training"),)
    past: ClassVar = "{site} stayed at chance level"
    message: ClassVar = "{site} stays at {mean:#n}; a uniform guess over {classes} classes gives {chance:#n}"

    loss_window: int = limit(LOSS_WINDOW, why=WHY_LOSS_WINDOW, minimum=3)
    max_above_chance: float = limit(
        0.1,
        why="derived: logits that are noise with a standard deviation of 0.45 raise the loss by 0.45^2 / 2 = 0.1; "
        "measured: at most 0.03 in networks that had stopped at chance",
    )
    max_below_chance: float = limit(0.05, why="measured: at most 0.02 in networks that had stopped at chance")
    min_fall: float = limit(MIN_FALL, why=WHY_MIN_FALL)
    t_score: float = limit(T_SCORE, why=WHY_T_SCORE)
    min_relative_movement: float = limit(
        0.05,
        why="measured: in 64 updates, the weights of a healthy network with a small learning rate move by 0.21 of "
        "their norm; where the learning rate is too small to learn, by 0.00005",
    )
    min_losses_in_training: int = limit(
        256,
        why="measured: a network that was given one time step stayed at chance for 64 updates and then learned; "
        "waiting four times as long is a judgment call",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the loss is at chance level and, beyond doubt, does not fall."""
        loss = readings.all[LossReading]
        rate, classes = losses_per_update(loss, readings), loss.classes
        trend = LossTrend.of(loss, rate)
        if trend is None or classes is None or classes <= 1 or not loss.plain_mean:
            return
        at_chance = -self.max_below_chance <= trend.mean - log(classes) <= self.max_above_chance
        movement = largest_relative_update(readings) * self.loss_window / rate
        no_gradient = no_weight_receives_gradient(readings)
        too_early = has_too_few_losses(loss, readings, self.loss_window, self.min_losses_in_training)
        logits = readings.get(LogitReading)
        all_equal = logits is not None and logits.rows > 0 and logits.tied_rows == logits.rows
        below_guess = beats_label_frequencies(loss, readings, self.t_score)
        learns_slowly = trend.falls(self.t_score) and below_guess and not all_equal
        flat = trend.is_flat(self.loss_window, self.min_fall, self.t_score)
        if too_early or learns_slowly or not at_chance or not flat:
            return
        if not (no_gradient or movement >= self.min_relative_movement):
            return
        yield self.finding(
            site,
            observed=trend.observed(
                self.loss_window,
                ("; all logits are equal" if all_equal else "")
                + (
                    "; no weight receives a gradient"
                    if no_gradient
                    else "; the optimizer moves weights by {movement:%} of their norm in that time"
                ),
                movement=movement,
            ),
            expected=Expected(
                "a loss below ln {classes} = {chance:#n}, and falling",
                because="a network that ignores its input has that loss",
                classes=classes,
                chance=log(classes),
            ),
            when=Moment(readings.run.update),
            classes=classes,
            chance=log(classes),
        )


def beats_label_frequencies(loss: LossReading, readings: Readings, t_score: float) -> bool:
    """Return whether a loss is below what the label frequencies alone allow, beyond doubt."""
    guess = constant_guess_loss(loss, readings.all.get(TargetReading))
    if loss.recent_mean is None or loss.recent_deviation is None or guess is None:
        return False
    return loss.recent_mean + t_score * loss.recent_deviation / sqrt(loss.window) < guess


def weight_parameters(readings: Readings) -> list[str]:
    """Return the parameters with several axes."""
    return [name for name, parameter in readings.every(ParameterReading).items() if parameter.dimensions > 1]


def largest_relative_update(readings: Readings) -> float:
    """Return the largest mean update of a weight, relative to its norm; that of recent updates where known."""
    updates = readings.every(UpdateReading) or readings.all.every(UpdateReading)
    return max(
        (updates[name].mean_relative_norm for name in weight_parameters(readings) if name in updates), default=0.0
    )


def no_weight_receives_gradient(readings: Readings) -> bool:
    """Return whether every recent gradient of every weight was missing, exactly 0 or not finite."""
    by_name = readings.every(GradientReading)
    gradients = [by_name[name] for name in weight_parameters(readings) if name in by_name]
    return bool(gradients) and all(
        g.missing_updates + g.zero_updates + g.non_finite.count >= g.updates for g in gradients
    )
