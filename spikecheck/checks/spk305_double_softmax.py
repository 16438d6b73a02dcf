"""A loss that applies softmax to values that have passed a softmax already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import e, log
from typing import ClassVar

from spikecheck.checks.base import Check, Readings
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class DoubleSoftmax(Check):
    """Cross-entropy is given probabilities, to which it applies softmax again.

    ## What it means
    `cross_entropy` expects logits and applies softmax itself, but it is given probabilities. Probabilities differ by at
    most 1, too little for the second softmax to be certain of a class, so the loss stays high however right the network
    is.

    ## Example
    ```python broken
    spikes, membrane = lif(fc(x), lif.init_leaky())  # lif = snntorch.Leaky(beta=0.9)
    probabilities = membrane.softmax(1)
    loss = torch.nn.functional.cross_entropy(probabilities, y)
    ```
    ```python repaired
    spikes, membrane = lif(fc(x), lif.init_leaky())
    loss = torch.nn.functional.cross_entropy(membrane, y)
    ```

    ## Fix
    ```python any
    # the output itself, without a softmax before it
    loss = torch.nn.functional.cross_entropy(logits, targets)
    # if you only have probabilities: torch.nn.functional.nll_loss(probabilities.clamp_min(1e-8).log(), targets)
    ```

    ## When it is intended
    The network is to be kept from growing too confident: the second softmax bounds every probability. Label smoothing
    does that, too, without a second softmax.
    ```toml
    [tool.spikecheck.ignore]
    "SPK305" = "probabilities on purpose"
    ```

    ## How it is decided
    Every row that the loss was given is a distribution: no entry is negative, the sum is 1, and some entries are
    fractions. Rows of zeros and a single 1 do not count, since they may be spikes.

    With C classes, the loss cannot fall below ln(1 + (C - 1) / e), which is 2.08 for 20 classes. The gradient passes
    two softmaxes and shrinks in both. Measured: the same network reached an accuracy of 0.43 with the second softmax
    and 0.89 without it.
    """

    id: ClassVar = "SPK305"
    slug: ClassVar = "double-softmax"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (LogitReading, LossReading)
    past: ClassVar = "{site} were already probabilities"
    message: ClassVar = "{site} are already probabilities: after a second softmax, the loss cannot fall below {floor:n}"

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where every row is a distribution and not all are one-hot; the spread of those is 1."""
        logits, loss = readings[LogitReading], readings[LossReading]
        distributions = logits.rows > 0 and logits.simplex_rows == logits.rows and logits.classes > 1
        if loss.function != "cross_entropy" or not distributions or logits.spread >= 1:
            return
        yield self.finding(
            site,
            observed=Observed(
                "all {rows} rows sum to 1, with entries from {lowest:n} to {highest:n}",
                rows=logits.rows,
                lowest=logits.minimum,
                highest=logits.maximum,
            ),
            expected=Expected("logits, as they are before any softmax", because="cross_entropy applies softmax itself"),
            floor=lowest_loss(logits.classes),
        )


def lowest_loss(classes: int) -> float:
    """Return the loss where the right class has probability 1 and all others 0: -1 + ln(e + C - 1)."""
    return log(1 + (classes - 1) / e)
