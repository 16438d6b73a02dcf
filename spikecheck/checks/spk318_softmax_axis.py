"""A softmax over the samples of a batch, or over time, before the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import is_silent
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LogitReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class SoftmaxAxis(Check):
    """What the loss is given was normalized over the batch or over time instead of over the classes.

    ## What it means
    A softmax along the wrong axis makes the samples of a batch compete with each other, or the time steps. What a
    sample gets then depends on its batch; normalized over time and added up, it is the same for all classes.

    ## Example
    ```python broken
    spikes, membrane = lif(fc(x), lif.init_leaky())
    probabilities = membrane.softmax(0)  # membrane is [batch, class]
    loss = torch.nn.functional.nll_loss(probabilities.log(), y)
    ```
    ```python repaired
    spikes, membrane = lif(fc(x), lif.init_leaky())
    loss = torch.nn.functional.cross_entropy(membrane, y)
    ```

    ## Fix
    ```python any
    # it applies softmax over the classes itself
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```

    ## When it is intended
    Samples are meant to compete, as in a ranking.
    ```toml
    [tool.spikecheck.ignore]
    "SPK318" = "softmax over candidates"
    ```

    ## How it is decided
    In each of at least {min_updates} updates, no entry is negative and the entries of every class add up to the same
    value over the batch, to within {max_relative_error}; for log-probabilities, their exponentials do. Or all entries
    of all updates are the same value, above 0 and at most 1, as what was normalized over time is in the sum or the mean
    over time. With a silent layer, all entries are the same value whatever the loss is given: that is not judged.
    """

    id: ClassVar = "SPK318"
    slug: ClassVar = "softmax-axis"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (LogitReading,)
    explained_by: ClassVar = ("SPK203", "SPK204", "SPK205", "SPK206")
    explains: ClassVar = ("SPK302", "SPK303", "SPK305", "SPK309", "SPK312", "SPK313", "SPK402", "SPK409")
    message: ClassVar = "{site} are normalized over the {axis} instead of over the classes"

    min_updates: int = limit(3, why="derived: by chance, columns have equal sums in 1 of 1,000 updates at most")
    max_relative_error: float = limit(1e-3, why="derived: rounding of a sum of 4,096 entries in half precision")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the columns, or all entries, are normalized."""
        logits = readings.all[LogitReading]
        if logits.updates < self.min_updates or logits.classes <= 1 or logits.rows <= logits.updates:
            return
        spread, most = logits.maximum - logits.minimum, 1 + self.max_relative_error
        same = 0 < logits.maximum < most and spread < self.max_relative_error * logits.maximum
        if same and any(is_silent(spikes) for spikes in readings.all.every(SpikeReading).values()):
            return  # the same logits for every sample are what a silent layer leads to
        if not same and logits.normalized_batches < logits.updates:
            return
        yield self.finding(
            site,
            observed=Observed(
                "every entry is {value:n}" if same else "the entries of each class have the same sum over the batch",
                value=logits.maximum,
            ),
            expected=Expected("logits that were not normalized", because="the loss normalizes over the classes itself"),
            when=Moment(0),
            axis="time steps" if same else "samples of a batch",
        )
