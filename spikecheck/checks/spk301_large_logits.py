"""Logits so far apart that the softmax is sure of one class, and the loss shows that it is the wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class LargeLogits(Check):
    """Logits are far apart while the loss is worse than that of a uniform guess: confident and wrong.

    ## What it means
    From the largest to the smallest logit of a sample it is {spread} or more on average, and the mean loss is above
    ln C, what equal logits would give. A trained network may have logits as far apart: its loss is low, and it is left
    alone.

    ## Why it matters
    The softmax of such logits is 1 for one class and 0 for all others, so the gradient of a sample is 0 or of full
    size, and the loss is of the logits' own size. For counts spread evenly over 0 to N and 20 classes, N = 11 gives a
    loss of 6.2, 50 gives 23, 280 gives 128, 2821 about 1280; a uniform guess gives 3.0. Training is slow, but it does
    not break: torch's `cross_entropy` subtracts the largest logit first, and its loss and gradient are finite for
    logits of 1e30. A softmax written by hand, exp(x) / sum(exp(x)), is NaN from 89 on.

    ## Fix
    ```python any
    logits = spikes.mean(0)  # spikes [time, batch, class]: divide counts by the steps, or read out the mean potential
    ```

    ## Intended when
    The scale is given from outside and falls in training, as distances between embeddings are:
    `[tool.spikecheck.ignore] "SPK301" = "negative squared distances, large at first"`
    """

    id: ClassVar = "SPK301"
    slug: ClassVar = "large-logits"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (LogitReading, LossReading)
    explained_by: ClassVar = (
        "SPK101",
        "SPK201",
        "SPK206",
        "SPK207",
        "SPK406",
        "SPK407",
        "SPK413",
    )
    message: ClassVar = "{site} are {spread:.4g} apart while the loss is {loss:.4g}: sure, and wrong"

    spread: float = limit(
        30.0,
        why="measured: 12.3 at most in networks that learn, as long as their loss is above ln C, and 36 at least where "
        "a threshold or a learning rate is at fault; derived: 20 counts spread evenly over 0 to 30 give a loss of 14",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where logits are far apart and the loss is above that of equal ones."""
        logits, loss = readings[LogitReading], readings[LossReading]
        mean, classes = loss.recent_mean, loss.classes
        if mean is None or classes is None or classes <= 1 or not loss.plain or not logits.rows:
            return
        if not (logits.spread >= self.spread and mean > log(classes)):
            return
        yield self.found(
            site,
            seen=Seen(
                "logits {lowest:.4g} to {highest:.4g}, {spread:.4g} apart for one sample; the softmax is above 0.999 "
                "in {sure:.0%} of {rows} samples; the loss is {loss:.4g}",
                lowest=logits.minimum,
                highest=logits.maximum,
                spread=logits.spread,
                sure=logits.one_hot / logits.rows,
                rows=logits.rows,
                loss=mean,
            ),
            expected=Expected(
                "logits less than {most:g} apart until the loss is below ln {classes} = {chance:.4g}",
                because="the loss of a wrong class is as large as its logit's lead",
                most=self.spread,
                classes=classes,
                chance=log(classes),
            ),
            weight=log10(logits.spread / self.spread),
        )
