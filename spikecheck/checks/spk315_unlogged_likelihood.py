"""nll_loss that is given something else than log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class UnloggedLikelihood(Check):
    """`nll_loss` is given values above 0, which no log-probability is.

    ## What it means
    The largest value that the loss was given is above {highest}. `nll_loss` takes the entry of the right class, and
    turns its sign: it applies neither softmax nor logarithm.

    ## Why it matters
    Given logits, potentials or spike counts, the loss is the mean of minus the right one: it falls without end as all
    of them grow, whichever class is the largest, and no class is pushed down. Given probabilities it is between -1 and
    0, and the gradient of a sample vanishes where the network is wrong: the right class's probability is a factor.

    ## Fix
    ```python any
    loss = torch.nn.functional.cross_entropy(logits, targets)  # softmax and logarithm in one
    # or torch.nn.functional.nll_loss(logits.log_softmax(1), targets)
    ```

    ## Intended when
    The expected score of the right class is what is to be raised, as in a policy gradient: `[tool.spikecheck.ignore]
    "SPK315" = "expected accuracy"`
    """

    id: ClassVar = "SPK315"
    slug: ClassVar = "unlogged-likelihood"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (LogitReading, LossReading)
    message: ClassVar = "{site} are {what}, and nll_loss wants their logarithm: the largest is {largest:.3g}"

    highest: float = limit(
        1e-3, why="derived: a log-probability is 0 at most; log(p + 1e-8) and half precision go above it by less"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the values are no logarithms of probabilities."""
        logits, loss = readings[LogitReading], readings[LossReading]
        if loss.function != "nll_loss" or not logits.rows or not logits.maximum > self.highest:
            return
        probabilities = logits.simplex == logits.rows
        yield self.found(
            site,
            seen=Seen(
                "entries {lowest:.3g} to {largest:.3g}; {simplex} of {rows} rows are distributions that sum to 1",
                lowest=logits.minimum,
                largest=logits.maximum,
                simplex=logits.simplex,
                rows=logits.rows,
            ),
            expected=Expected("log-probabilities, 0 at most", because="the loss takes them as they are"),
            what="probabilities" if probabilities else "no log-probabilities",
        )
