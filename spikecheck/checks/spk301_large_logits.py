"""Logits that are far apart while the loss is worse than a guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite, log, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class LargeLogits(Check):
    """The logits are so far apart that softmax is sure of one class, and mostly of a wrong one.

    ## What it means
    The largest and the smallest logit of a row are {spread} or more apart on average, softmax gives one class more than
    0.999 in a share of {share} or more of the rows, and the loss is above ln C, that of a uniform guess. A trained
    network has large logits as well, and a low loss: that is no finding.

    ## Why it matters
    The loss of a row is about the distance from the right logit to the largest one, and its gradient 1, -1 or 0: it
    says which class was wrong and no longer by how much. The steps are of full size for every row, and pull in as many
    directions as there are classes. Spike counts as logits do this: counts that are uniform in 0 to N give 20 classes a
    loss of 6.2 for N = 11, 23.5 for 50, 128 for 280 and 1278 for 2821, where a uniform guess gives 3.0. By itself it
    makes no NaN: `cross_entropy` subtracts the largest logit first, and is finite at any finite logits.

    ## Fix
    ```python any
    logits = spikes.mean(0)  # spikes [time, batch, class]: divide counts by the steps, or read out the mean potential
    ```

    ## Intended when
    The first batches come from another task than the one that the weights were trained for:
    `[tool.spikecheck.ignore] "SPK301" = "fine-tuning, other labels"`
    """

    id: ClassVar = "SPK301"
    slug: ClassVar = "large-logits"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (LogitReading, LossReading)
    explained_by: ClassVar = ("SPK101", "SPK201", "SPK206", "SPK406", "SPK407")
    message: ClassVar = "{site} are {spread:.4g} apart, the loss is {loss:.4g}; a uniform guess gives {chance:.4g}"

    spread: float = limit(30.0, why="to be measured")
    share: float = limit(
        0.5, why="derived: where half of the rows are one-hot, the ordinary row has a gradient that knows no size"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the rows are one-hot and the loss is worse than that of a uniform guess."""
        logits, loss = readings[LogitReading], readings[LossReading]
        if loss.function != "cross_entropy" or not loss.plain or loss.recent_mean is None or logits.classes <= 1:
            return
        if logits.rows == 0 or logits.one_hot < self.share * logits.rows:
            return
        chance = log(logits.classes)
        if not isfinite(loss.recent_mean) or loss.recent_mean <= chance:
            return
        if not self.spread <= logits.spread < inf:
            return
        yield self.found(
            site,
            seen=Seen(
                "largest minus smallest of a row {spread:.4g}, softmax above 0.999 in one class in {sure:.0%} of the "
                "rows, a loss of {loss:.4g}",
                spread=logits.spread,
                sure=logits.one_hot / logits.rows,
                loss=loss.recent_mean,
            ),
            expected=Expected(
                "logits a few units apart, and a loss below ln {classes} = {chance:.4g}",
                because="a network that is mostly wrong should not be sure",
                classes=logits.classes,
                chance=chance,
            ),
            weight=log10(logits.spread / self.spread),
            chance=chance,
        )
