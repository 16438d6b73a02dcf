"""A loss that is no better than that of a constant guess, long after the start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, log, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import constant_guess_loss
from spikecheck.checks.loss_trend import (
    LOSS_WINDOW,
    MIN_FALL,
    MIN_LOSSES_IN_TRAINING,
    T_SCORE,
    WHY_LOSS_WINDOW,
    WHY_MIN_FALL,
    WHY_MIN_LOSSES_IN_TRAINING,
    WHY_T_SCORE,
    LossTrend,
    has_too_few_losses,
    losses_per_update,
)
from spikecheck.checks.progress import largest_mean_update
from spikecheck.finding import Expected, Finding, Severity
from spikecheck.readings import LossReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class WorseThanGuess(Check):
    """After many updates, the loss is no better than that of a guess that ignores the input.

    ## What it means
    Predicting how often each class occurs, without looking at the input, would give a loss as low or lower. Nothing the
    network has learned from the input carries over to the next batch.

    ## Example
    ```python broken
    order = torch.randperm(len(x))
    dataset = torch.utils.data.TensorDataset(x[order], y)  # the labels no longer belong to their inputs
    # half of y is one of 20 classes: a guess that knows only this has a loss of 2.2, and no network gets below that on
    # new samples
    ```
    ```python repaired
    order = torch.randperm(len(x))
    dataset = torch.utils.data.TensorDataset(x[order], y[order])
    ```

    ## Fix
    ```python any
    # train once more, with the labels of each batch shuffled on purpose
    y = y[torch.randperm(len(y))]
    # if the loss stays where it was, the true labels are no better than shuffled ones: look at 20 samples with labels
    # if it is clearly higher now, the true labels were being learned: use smaller logits or a lower learning rate
    ```

    ## When it is intended
    The labels are random on purpose, as a control.
    ```toml
    [tool.spikecheck.ignore]
    "SPK313" = "shuffled labels"
    ```

    ## How it is decided
    The guess is the loss of giving each class its frequency, whatever the input: the entropy of the labels, or ln C
    where all classes are equally frequent. The mean of the last 64 losses must be at least {max_above_guess} above the
    guess, although some weight moves by {min_relative_movement} of its norm or more in {loss_window} updates. A finding
    needs {loss_window} losses; while training runs, {min_losses_in_training}.

    It is a warning if the losses do not fall: even the steepest line that fits them, {t_score} standard errors steeper
    than the best one, falls by less than {min_fall} in {loss_window} updates. Otherwise it is a note. The loss of a
    network whose logits were too large at first falls like this, but so does that of a network that cannot learn its
    labels, until it reaches the guess.

    Where classes are not equally frequent, the guess is below ln C. A loss that stops at the guess, or below it by less
    than {min_relative_gain} of the guess, is then reported, too: the network has learned how often each class occurs,
    and nothing else. This needs a guess of at least {min_entropy_ratio} of ln C.

    A loss above the guess means that the network is confident where it is wrong. Typical causes are labels that do not
    belong to their inputs, mixed-up axes, updates that are too large, and logits that are too large.
    """

    id: ClassVar = "SPK313"
    slug: ClassVar = "worse-than-guess"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = (
        *("SPK101", "SPK102", "SPK103", "SPK104", "SPK106", "SPK107"),
        *("SPK201", "SPK203", "SPK204", "SPK205", "SPK206", "SPK207", "SPK208", "SPK209", "SPK210"),
        *("SPK212", "SPK213", "SPK214", "SPK215"),
        *("SPK301", "SPK303", "SPK305", "SPK306", "SPK307", "SPK308", "SPK310", "SPK314"),
        *("SPK401", "SPK402", "SPK403", "SPK405", "SPK406", "SPK407", "SPK410", "SPK411", "SPK412", "SPK413"),
    )
    ascending: ClassVar = (("loss_window", "min_losses_in_training"),)
    past: ClassVar = "{site} was no better than ignoring the input"
    message: ClassVar = "{site} {mean:#n} is {relation} ignoring the input ({guess:#n})"

    loss_window: int = limit(LOSS_WINDOW, why=WHY_LOSS_WINDOW, minimum=3)
    max_above_guess: float = limit(0.1, why="derived: up to 0.1 above ln C, chance-plateau reports the loss")
    min_fall: float = limit(MIN_FALL, why=WHY_MIN_FALL)
    t_score: float = limit(T_SCORE, why=WHY_T_SCORE)
    min_relative_gain: float = limit(
        0.02,
        why="measured: networks that learned nothing ended at most 0.02 below the guess; this limit is 0.04 for a "
        "guess of 2.2",
    )
    min_entropy_ratio: float = limit(
        0.3, why="judgment call: a guess of 0.9 for 20 classes; at a lower one, nearly all labels are of one class"
    )
    min_losses_in_training: int = limit(MIN_LOSSES_IN_TRAINING, why=WHY_MIN_LOSSES_IN_TRAINING)
    min_relative_movement: float = limit(
        0.05,
        why="measured: in 64 updates, the weights of a healthy network with a small learning rate move by 0.21 of "
        "their norm; with less than the limit, training is still warming up",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a guess would do better; a note as long as the loss comes down."""
        loss = readings.all[LossReading]
        rate = losses_per_update(loss, readings)
        trend = LossTrend.of(loss, rate)
        guess = constant_guess_loss(loss, readings.all.get(TargetReading))
        if trend is None or guess is None or loss.classes is None or not loss.plain_mean:
            return
        too_early = has_too_few_losses(loss, readings, self.loss_window, self.min_losses_in_training)
        movement = largest_mean_update(readings) * self.loss_window / rate
        if too_early or not isfinite(trend.mean) or movement < self.min_relative_movement:
            return
        chance = log(loss.classes)
        flat = trend.is_flat(self.loss_window, self.min_fall, self.t_score)
        uneven = self.min_entropy_ratio * chance <= guess <= chance - self.max_above_guess
        no_gain = flat and uneven and trend.mean >= (1 - self.min_relative_gain) * guess
        if trend.mean < guess + self.max_above_guess and not no_gain:
            return
        yield self.finding(
            site,
            severity=Severity.WARNING if flat else Severity.NOTE,
            observed=trend.observed(self.loss_window),
            expected=Expected(
                "less than {guess:#n}",
                guess=guess,
                because="that is the loss of predicting how often each class occurs",
            ),
            when=Moment(readings.run.update),
            excess=log10(trend.mean / guess) if guess > 0 else 0.0,
            guess=guess,
            relation="worse than" if trend.mean > guess else "no better than",
        )
