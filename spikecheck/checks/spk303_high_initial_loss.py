"""A first loss far above that of a uniform guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, log, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LossReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class HighInitialLoss(Check):
    """The first loss, before any update, is several times that of a uniform guess.

    ## What it means
    A network that knows nothing should give every class about the same, and have a loss of about ln C: 3.0 for 20
    classes. Found is a first loss of {times} times ln C or more. Only a loss that was seen from the first update on is
    judged; the first update is the first after `attach`.

    ## Why it matters
    It is not worse than guessing in any deep sense: it is the scale of the logits. Counts that are spread evenly over 0
    to N are wrong by N / 2 on average, so the loss is about that. The first updates then go into making the logits
    smaller, with gradients of full size for every sample, and what drives the logits usually drives the hidden layers
    out of their range as well.

    ## Fix
    ```python any
    logits = spikes.mean(0)  # spikes [time, batch, class]: divide counts by the steps, or read out the mean potential
    ```

    ## Intended when
    Training goes on from weights of another task: `[tool.spikecheck.ignore] "SPK303" = "fine-tuning, other labels"`
    """

    id: ClassVar = "SPK303"
    slug: ClassVar = "high-initial-loss"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = (
        "SPK101",
        "SPK107",
        "SPK201",
        "SPK206",
        "SPK207",
        "SPK301",
        "SPK405",
        "SPK406",
    )
    message: ClassVar = "the first {site} is {first:.4g}, a uniform guess over {classes} classes gives {chance:.4g}"

    times: float = limit(
        4.0,
        why="derived: random logits give it from a standard deviation of about 5 (2 classes) to 8 (1000 classes) on; "
        "measured: with 20 classes 2.6 at most in networks that learn well, 5.4 at least where a scale is at fault",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the loss that came before the first update is large for its classes."""
        loss = readings.all[LossReading]
        first, classes = loss.first, loss.classes
        early = loss.updates >= readings.run.update
        if first is None or classes is None or classes <= 1 or not (loss.plain and early and isfinite(first)):
            return
        if first < self.times * log(classes):
            return
        yield self.found(
            site,
            seen=Seen(
                "a first loss of {first:.4g}, {ratio:.3g} times that of a uniform guess",
                first=first,
                ratio=first / log(classes),
            ),
            expected=Expected(
                "about ln {classes} = {chance:.4g}",
                because="before training no class should be far ahead of another",
                classes=classes,
                chance=log(classes),
            ),
            when=Moment(),
            weight=log10(first / log(classes) / self.times),
            classes=classes,
            chance=log(classes),
        )
