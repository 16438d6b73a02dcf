"""Logits so close together that the softmax cannot tell them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import plain_number
from spikecheck.checks.learning import has_learned
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
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class TinyLogits(Check):
    """The logits of a sample differ by so little that every class gets the same probability.

    ## What it means
    A softmax turns a difference of 2 between two logits into a ratio of 7, and one of 0.01 into a ratio of 1.01. Logits
    on a scale far below 1 leave the loss at that of a guess, and the weights would have to grow many times over before
    it can fall.

    ## Example
    ```python broken
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    logits = torch.stack(spikes).mean(0) / 700  # firing rates, divided by the number of inputs as well
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```
    ```python repaired
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    logits = 10 * torch.stack(spikes).mean(0)  # ten times the firing rates: 0 to 10
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```

    ## Fix
    ```python any
    # how far apart the logits of a sample are
    print((logits.max(1).values - logits.min(1).values).mean())
    # choose a factor that brings this to about 1: 100 if it is 0.01
    logits = 100 * logits
    ```

    ## When it is intended
    The last weights start near 0, and the learning rate is small on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK320" = "a long warm-up"
    ```

    ## How it is decided
    A finding needs all of these:

    - in the recent updates, the largest and the smallest logit of a sample differ by {max_logit_spread} or less on
      average, without being equal;
    - the loss is no better than a guess and does not fall: even the steepest line that fits the last losses, {t_score}
      standard errors steeper than the best one, falls by less than {min_fall} in {loss_window} updates;
    - the optimizer moves some weight by {min_relative_movement} of its norm or more in that time. Logits that differ by
      {max_stopping_spread} or less shrink the gradients of all weights with them: then {min_stopping_movement} of
      the norm is enough;
    - there are {loss_window} losses; while training runs, {min_losses_in_training}.

    Logits that differ by 0.05 cannot bring the loss more than 0.05 below that of a guess, which is 3.0 for 20 classes.
    """

    id: ClassVar = "SPK320"
    slug: ClassVar = "tiny-logits"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (LogitReading, LossReading)
    explained_by: ClassVar = (
        *("SPK102", "SPK103", "SPK104", "SPK203", "SPK204", "SPK205", "SPK206", "SPK207", "SPK209", "SPK211", "SPK215"),
        *("SPK305", "SPK401", "SPK406", "SPK407", "SPK410", "SPK411", "SPK412"),
    )
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313", "SPK409")
    ascending: ClassVar = (("loss_window", "min_losses_in_training"),)
    message: ClassVar = "{site} of a sample differ by only {spread}: cross-entropy cannot tell the classes apart"

    max_logit_spread: float = limit(
        0.05, why="derived: the loss is then within 0.05 of that of a guess; measured: at least 0.3 in healthy networks"
    )
    max_stopping_spread: float = limit(
        0.005, why="judgment call: a hundredth of the differences of healthy networks; gradients shrink as much"
    )
    min_stopping_movement: float = limit(
        0.006, why="derived: 64 updates by 10^-4 of the norm, below which SPK410 names the learning rate"
    )
    loss_window: int = limit(LOSS_WINDOW, why=WHY_LOSS_WINDOW, minimum=3)
    min_fall: float = limit(MIN_FALL, why=WHY_MIN_FALL)
    t_score: float = limit(T_SCORE, why=WHY_T_SCORE)
    min_losses_in_training: int = limit(MIN_LOSSES_IN_TRAINING, why=WHY_MIN_LOSSES_IN_TRAINING)
    min_relative_movement: float = limit(
        0.05,
        why="measured: in 64 updates, the weights of a healthy network with a small learning rate move by 0.21 of "
        "their norm",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the logits have hardly any spread, and the loss stays."""
        logits, loss = readings[LogitReading], readings.all[LossReading]
        losses = losses_per_update(loss, readings)
        trend = LossTrend.of(loss, losses)
        if (
            trend is None
            or not 0 < logits.spread <= self.max_logit_spread
            or logits.tied_rows + logits.tied_rows > logits.rows
        ):
            return
        too_early = has_too_few_losses(loss, readings, self.loss_window, self.min_losses_in_training)
        movement = largest_mean_update(readings) * self.loss_window / losses
        least = self.min_relative_movement
        if logits.spread <= self.max_stopping_spread:
            least = self.min_stopping_movement
        if too_early or movement < least or has_learned(readings):
            return
        if not trend.is_flat(self.loss_window, self.min_fall, self.t_score):
            return
        factor = plain_number(1 / logits.spread)
        yield self.finding(
            site,
            observed=Observed(
                "logits from {minimum} to {maximum}; those of a sample differ by {spread} on average",
                minimum=logits.minimum,
                maximum=logits.maximum,
                spread=logits.spread,
            ),
            expected=Expected(
                "differences of about 1",
                because="equal logits give every class the same probability, whatever the input",
            ),
            fixes=(Fix(f"# so that those of a sample differ by about 1\nlogits = {factor} * logits"),),
            excess=log10(self.max_logit_spread / logits.spread),
        )
