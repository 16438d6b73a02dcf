"""A softmax over the samples of a batch, or over time, before the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import is_silent
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.number_format import fill
from spikecheck.readings import LogitReading, LossReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class SoftmaxAxis(Check):
    """The values given to the loss were normalized over the batch or over time instead of over the classes.

    ## What it means
    A softmax along the wrong axis makes samples, or time steps, compete instead of classes. Over the batch, the output
    of a sample depends on the other samples. Over time, the values of each class add up to 1, so the sum over time is
    the same for every class.

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
    # cross_entropy applies softmax over the classes itself
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```

    ## When it is intended
    Samples are meant to compete, as in a ranking.
    ```toml
    [tool.spikecheck.ignore]
    "SPK318" = "softmax over candidates"
    ```

    ## How it is decided
    A finding needs at least {min_updates} updates, and in all of them one of these:

    - over the batch: no value that the loss is given is negative, and all classes have the same sum over the batch, to
      within {max_relative_error}; for log-probabilities, after taking their exponential;
    - over time: all values are the same number, above 0 and at most 1, since each class adds up to 1 over time. A
      silent layer also makes all values equal; then there is no finding.
    - over either: the graph of the backward pass shows a softmax along another axis than that of the classes. Between
      it and the loss are only sums and means over other axes, a logarithm, or a sign; a softmax that weighs other
      values, as in attention, is not meant.
    """

    id: ClassVar = "SPK318"
    slug: ClassVar = "softmax-axis"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOGITS
    needs: ClassVar = (LogitReading,)
    explained_by: ClassVar = ("SPK203", "SPK204", "SPK205", "SPK206")
    explains: ClassVar = ("SPK302", "SPK303", "SPK305", "SPK309", "SPK312", "SPK313", "SPK320", "SPK402", "SPK409")
    message: ClassVar = "{site} are normalized over the {axis} instead of over the classes"

    min_updates: int = limit(3, why="derived: by chance, all classes have the same sum in at most 1 of 1,000 updates")
    max_relative_error: float = limit(
        1e-3, why="derived: the rounding error of a sum of 4,096 entries in half precision"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the columns, or all entries, are normalized."""
        logits, loss = readings.all[LogitReading], readings.all.get(LossReading)
        if logits.updates < self.min_updates or logits.classes <= 1 or logits.rows <= logits.updates:
            return
        in_graph = () if loss is None else loss.softmax_axes
        spread, most = logits.maximum - logits.minimum, 1 + self.max_relative_error
        same = 0 < logits.maximum < most and spread < self.max_relative_error * logits.maximum
        if in_graph:
            shape, (axis, samples) = in_graph
            evidence = f"the softmax runs along axis {axis} of {list(shape)}"
            over_time = axis != samples
        elif same and not any(is_silent(spikes) for spikes in readings.all.every(SpikeReading).values()):
            evidence, over_time = fill("every entry is {value:n}", value=logits.maximum), True
        elif not same and logits.normalized_batches >= logits.updates:
            evidence, over_time = "the entries of each class have the same sum over the batch", False
        else:
            return  # the same logits for every sample are also what a silent layer leads to
        yield self.finding(
            site,
            observed=Observed(evidence),
            expected=expected(loss),
            when=Moment(0),
            axis="time steps" if over_time else "samples of a batch",
        )


def expected(loss: LossReading | None) -> Expected:
    """Return what the loss should be given: nll_loss leaves the normalization to the script."""
    if loss is not None and loss.function == "nll_loss":
        return Expected("log_softmax over the classes", because="nll_loss takes log-probabilities of the classes")
    return Expected("logits that were not normalized", because="the loss normalizes over the classes itself")
