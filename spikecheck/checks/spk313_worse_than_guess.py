"""A loss that is no better than that of a constant guess, long after the start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, log, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.progress import constant_guess, moved, weights
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LossReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class WorseThanGuess(Check):
    """After many updates the loss is no better than that of a constant guess.

    ## What it means
    Whoever never looks at the input, and says of each class how often it comes, has a loss of the labels' entropy: ln C
    where all come alike. The last {losses} losses average {above} or more above it, although some weight moves by
    {path} of its norm or more in 64 updates. Where they do not fall, beyond doubt, by {fall} in that time, this is a
    warning. Where they still fall it is a note: a network that began with logits of a wrong scale comes down like that,
    and one that cannot learn its labels comes down to the guess and stays there. Whoever only watches cannot tell
    which: labels that belong to other samples leave spikes and gradients as healthy as can be. While training goes on,
    this is said after {patience} losses.

    Labels that come unequally often have an entropy below ln C. A loss that stays there, no more than a share of {near}
    below it, is found as well, where the entropy is {least} of ln C or more: the network has learned how often each
    class comes, by its last bias, and nothing else. Below that, nearly all labels are of one class.

    ## Why it matters
    Everything that such a network says with confidence is wrong more often than not, and nothing of what it has learned
    depends on the input in a way that holds for the next batch. It is the mark of labels that do not belong to their
    inputs, of axes mixed up, of steps that are too large, and of logits that are too large.

    ## Fix
    ```python any
    y = y[torch.randperm(len(y))]  # train once more, on labels shuffled on purpose
    # the losses look the same: the true labels say nothing either; look at 20 samples and their labels by eye
    # they look different: the labels are learned; lower the scale of the logits or the learning rate
    ```

    ## Intended when
    The labels are random on purpose, as a control: `[tool.spikecheck.ignore] "SPK313" = "shuffled labels"`
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
    message: ClassVar = "{site} is {mean:.4g}, and a guess without the input gives {guess:.4g}"

    losses: int = limit(64, why="derived: enough for the slope of losses that scatter by 0.08, as for a plateau")
    above: float = limit(
        0.1, why="derived: nearer to the guess it is a plateau at chance, which has a check of its own"
    )
    fall: float = limit(0.15, why="measured: the slowest healthy network falls by 0.51 in 64 updates")
    doubt: float = limit(4.0, why="derived: Student's t with 62 degrees of freedom is larger once in 11,000")
    near: float = limit(
        0.02, why="taste: 0.06 at ln 20, three times what networks that had stopped at chance came below it"
    )
    least: float = limit(
        0.3, why="taste: for 20 classes 0.9, of which a margin of 0.02 is as small as the noise of a loss"
    )
    patience: int = limit(256, why="taste: four windows, as for a plateau")
    path: float = limit(
        0.05,
        why="measured: a healthy network with a small learning rate moves by 0.21 in 64 updates; below, it warms up",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where a guess would do better; a note as long as the loss comes down."""
        loss = readings.all[LossReading]
        mean, slope, error = loss.recent_mean, loss.recent_slope, loss.recent_slope_error
        guess = constant_guess(loss, readings.all.get(TargetReading))
        if mean is None or slope is None or error is None or guess is None or loss.classes is None or not loss.plain:
            return
        early = loss.window < self.losses or (readings.run.live and loss.updates < self.patience)
        an_update = max(1, loss.updates / max(1, readings.run.update))  # losses, where gradients are accumulated
        steps = moved(readings, weights(readings)).values()
        path = max((update.mean for update in steps), default=0.0) * self.losses / an_update
        if early or not isfinite(mean) or path < self.path:
            return
        stays = (slope - self.doubt * error) * an_update * self.losses > -self.fall
        uneven = self.least * log(loss.classes) <= guess <= log(loss.classes) - self.above
        if mean < guess + self.above and not (stays and uneven and mean >= (1 - self.near) * guess):
            return
        yield self.found(
            site,
            severity=Severity.WARNING if stays else Severity.NOTE,
            seen=Seen(
                "the last {window} losses average {mean:.4g} and change by {change:+.3f} +- {error:.3f} in 64 updates",
                window=loss.window,
                mean=mean,
                change=slope * an_update * self.losses,
                error=error * an_update * self.losses,
            ),
            expected=Expected(
                "less than {guess:.4g}",
                guess=guess,
                because="that is the loss of saying of each class how often it comes",
            ),
            when=Moment(readings.run.update),
            weight=log10(mean / guess) if guess > 0 else 0.0,
            guess=guess,
        )
