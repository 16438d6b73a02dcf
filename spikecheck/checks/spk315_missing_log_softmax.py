"""nll_loss that is given something other than log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class MissingLogSoftmax(Check):
    """`nll_loss` is given values above 0, which cannot be log-probabilities.

    ## What it means
    `nll_loss` takes the value of the right class and changes its sign; it applies neither softmax nor logarithm. Given
    logits, membrane potentials or spike counts, the loss falls without end as all of them grow, whichever class is the
    largest.

    ## Example
    ```python broken
    spikes, membrane = lif(fc(x), lif.init_leaky())  # lif = snntorch.Leaky(beta=0.9)
    loss = torch.nn.functional.nll_loss(membrane, y)
    ```
    ```python repaired
    spikes, membrane = lif(fc(x), lif.init_leaky())
    loss = torch.nn.functional.cross_entropy(membrane, y)
    ```

    ## Fix
    ```python any
    # softmax and logarithm in one
    loss = torch.nn.functional.cross_entropy(logits, targets)
    # or torch.nn.functional.nll_loss(logits.log_softmax(1), targets)
    ```

    ## When it is intended
    You want to maximize the expected probability of the right class itself, as in a policy gradient.
    ```toml
    [tool.spikecheck.ignore]
    "SPK315" = "expected accuracy"
    ```

    ## How it is decided
    The largest value that `nll_loss` was given is above {max_log_probability}; a log-probability is at most 0. If every
    row sums to 1, the finding calls the values probabilities.

    Given logits, the loss pushes no class down. Given probabilities, it is between -1 and 0, and samples that the
    network gets wrong have almost no gradient, since the probability of the right class is a factor of it.
    """

    id: ClassVar = "SPK315"
    slug: ClassVar = "missing-log-softmax"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (LogitReading, LossReading)
    past: ClassVar = "{site} were not log-probabilities"
    message: ClassVar = "{site} given to nll_loss are {what} of up to {largest:n}; log-probabilities are never above 0"

    max_log_probability: float = limit(
        1e-3,
        why="derived: a log-probability is 0 at most; log(p + 1e-8) and half precision exceed that by less than this",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the values are no logarithms of probabilities."""
        logits, loss = readings[LogitReading], readings[LossReading]
        if loss.function != "nll_loss" or not logits.rows or not logits.maximum > self.max_log_probability:
            return
        probabilities = logits.simplex_rows == logits.rows
        yield self.finding(
            site,
            observed=Observed(
                "values from {lowest:n} to {largest:n}; {distributions} of {rows} rows are non-negative and sum to 1",
                lowest=logits.minimum,
                largest=logits.maximum,
                distributions=logits.simplex_rows,
                rows=logits.rows,
            ),
            expected=Expected(
                "log-probabilities of at most 0", because="nll_loss applies neither softmax nor logarithm"
            ),
            what="probabilities" if probabilities else "unnormalized values",
        )
