"""Logits so far apart that the softmax is certain of one class, while the loss shows that it is the wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class LargeLogits(Check):
    """Logits are far apart while the loss is worse than that of a uniform guess: confidently wrong.

    ## What it means
    The logits of a sample are so far apart that the softmax puts nearly all probability on one class, and the loss
    shows that it is often the wrong class. Training is slow from there: a sample has either no gradient or a gradient
    of full size.

    ## Example
    ```python broken
    torch.nn.init.normal_(fc.weight)  # strong input: neurons fire in many of 100 time steps
    spikes, membrane = [], lif.init_leaky()  # lif = snntorch.Leaky(beta=0.9)
    for frame in x:  # x: [time, batch, features]
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    logits = torch.stack(spikes).sum(0)  # spike counts: 0 to 100
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```
    ```python repaired
    torch.nn.init.normal_(fc.weight)
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    logits = torch.stack(spikes).mean(0)  # firing rates: 0 to 1
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```

    ## Fix
    ```python any
    # spikes: [time, batch, class]; or use the mean membrane potential of the output layer
    logits = spikes.mean(0)
    ```

    ## When it is intended
    The scale of the logits is given and shrinks during training, as for distances between embeddings.
    ```toml
    [tool.spikecheck.ignore]
    "SPK301" = "negative squared distances, large at first"
    ```

    ## How it is decided
    The spread of a sample is its largest minus its smallest logit. A finding needs an average spread of
    {max_logit_spread} or more in the recent updates, and a mean loss above ln C, the loss of equal logits. A trained
    network may have logits as far apart; its loss is low, and there is no finding.

    Where counts are spread evenly over 0 to N and there are 20 classes, N = 11 gives a loss of 6.2, 50 gives 23, 280
    gives 128 and 2,821 about 1,280; a uniform guess gives 3.0. Large logits slow training down, but they do not break
    it: torch's `cross_entropy` subtracts the largest logit first, and its loss and gradient are finite for logits of
    10^30. A softmax written by hand, exp(x) / sum(exp(x)), is NaN from a logit of 89 on.
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
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK413",
    )
    past: ClassVar = "{site} were far apart while the loss was above chance"
    message: ClassVar = "{site} span {spread:n} while the loss is {loss:n}: confidently wrong"

    max_logit_spread: float = limit(
        30.0,
        why="measured: at most 12.3 in networks that learn, while their loss is above ln C, and at least 36 where a "
        "threshold or a learning rate is at fault; derived: counts spread evenly over 0 to 30 and 20 classes give a "
        "loss of 14",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where logits are far apart and the loss is above that of equal logits."""
        logits, loss = readings[LogitReading], readings[LossReading]
        mean, classes = loss.recent_mean, loss.classes
        if mean is None or classes is None or classes <= 1 or not loss.plain_mean or not logits.rows:
            return
        if not (logits.spread >= self.max_logit_spread and mean > log(classes)):
            return
        yield self.finding(
            site,
            observed=Observed(
                "logits from {lowest:n} to {highest:n}, spanning {spread:n} within a sample; the softmax exceeds 0.999 "
                "in {certain:%} of {rows} samples; the loss is {loss:n}",
                lowest=logits.minimum,
                highest=logits.maximum,
                spread=logits.spread,
                certain=logits.one_hot_rows / logits.rows,
                rows=logits.rows,
                loss=mean,
            ),
            expected=Expected(
                "logits that span less than {max_spread:n} until the loss is below ln {classes} = {chance:#n}",
                because="a wrong prediction costs as much as its logit exceeds that of the right class",
                max_spread=self.max_logit_spread,
                classes=classes,
                chance=log(classes),
            ),
            excess=log10(logits.spread / self.max_logit_spread),
        )
