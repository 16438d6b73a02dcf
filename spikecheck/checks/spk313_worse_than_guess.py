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
    T_SCORE,
    WHY_LOSS_WINDOW,
    WHY_MIN_FALL,
    WHY_T_SCORE,
    LossTrend,
    losses_per_update,
)
from spikecheck.checks.progress import update_readings, weight_names
from spikecheck.finding import Expected, Finding, Severity
from spikecheck.readings import LossReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class WorseThanGuess(Check):
    """After many updates, the loss is no better than that of a guess that ignores the input.

    ## What it means
    Predicting how often each class occurs, without looking at the input, would give a loss as low or lower. Nothing of
    what the network has learned depends on the input in a way that holds for the next batch.

    ## Example
    ```python broken
    order = torch.randperm(len(x))  # half of y is class 0, the rest 19 other classes
    dataset = torch.utils.data.TensorDataset(x[order], y)  # the labels no longer belong to their inputs
    ```
    ```python repaired
    order = torch.randperm(len(x))
    dataset = torch.utils.data.TensorDataset(x[order], y[order])
    ```

    ## Fix
    ```python any
    # train once more, with the labels of each batch shuffled on purpose
    y = y[torch.randperm(len(y))]
    # the same losses as before: the true labels tell the network nothing either; look at 20 samples and their labels
    # different losses: the labels are learned; use smaller logits or a lower learning rate
    ```

    ## When it is intended
    The labels are random on purpose, as a control.
    ```toml
    [tool.spikecheck.ignore]
    "SPK313" = "shuffled labels"
    ```

    ## How it is decided
    A guess that ignores the input and gives each class its frequency has a loss of the labels' entropy: ln C where all
    classes are equally frequent. The last 64 losses average {max_above_guess} or more above it, although some weight
    moves by {min_relative_movement} of its norm or more in {loss_window} updates. A finding needs {loss_window} losses,
    and {min_losses_in_training} during training.

    It is a warning where the losses do not fall: a straight line through them, made steeper by {t_score} standard
    errors of its slope, falls by less than {min_fall} in {loss_window} updates. Where they still fall it is a note: a
    network that began with logits of a wrong scale comes down like that, and one that cannot learn its labels comes
    down to the guess and stays there. Observing the run cannot tell which: labels that belong to other samples leave
    spikes and gradients as healthy as can be.

    Classes that are not equally frequent have an entropy below ln C. A loss that stays there, less than a share of
    {min_relative_gain} below it, is found as well, where the entropy is {min_entropy_ratio} of ln C or more: the
    network has learned how often each class occurs, by its last bias, and nothing else. At a lower entropy, nearly all
    labels are of one class.

    A loss above the guess means that confident predictions are wrong more often than not. It is the mark of labels that
    do not belong to their inputs, of mixed-up axes, of updates that are too large, and of logits that are too large.
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
    max_above_guess: float = limit(
        0.1, why="derived: nearer to the guess it is a plateau at chance, which has a check of its own"
    )
    min_fall: float = limit(MIN_FALL, why=WHY_MIN_FALL)
    t_score: float = limit(T_SCORE, why=WHY_T_SCORE)
    min_relative_gain: float = limit(
        0.02,
        why="judgment call: 0.06 at ln 20, three times as far below it as networks came that had stopped at chance",
    )
    min_entropy_ratio: float = limit(
        0.3, why="judgment call: 0.9 for 20 classes, of which a margin of 0.02 is as small as the noise of a loss"
    )
    min_losses_in_training: int = limit(256, why="judgment call: four windows, as for a plateau at chance")
    min_relative_movement: float = limit(
        0.05,
        why="measured: a healthy network with a small learning rate moves by 0.21 of its weights' norm in 64 updates; "
        "one that moves less than this is warming up",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a guess would do better; a note as long as the loss comes down."""
        loss = readings.all[LossReading]
        rate = losses_per_update(loss, readings)
        trend = LossTrend.of(loss, rate)
        guess = constant_guess_loss(loss, readings.all.get(TargetReading))
        if trend is None or guess is None or loss.classes is None or not loss.plain_mean:
            return
        too_early = loss.updates < self.loss_window or (
            readings.run.live and loss.updates < self.min_losses_in_training
        )
        updates = update_readings(readings, weight_names(readings)).values()
        largest = max((update.mean_relative_norm for update in updates), default=0.0)
        movement = largest * self.loss_window / rate
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
