"""Logits so far apart that the softmax is certain of one class, while the loss shows that it is the wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import learning_of
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LogitReading, LossReading
from spikecheck.site import Site, SiteKind


@dataclass(frozen=True)
class LargeLogits(Check):
    """Logits are far apart while the loss is worse than that of a uniform guess: confidently wrong.

    ## What it means
    The logits of a sample are so far apart that the softmax puts nearly all probability on one class, and the loss
    shows that it is often the wrong class. Training is slow: the gradient with respect to the logits is about 0 where a
    sample is right and about 1 where it is wrong, and does not say how wrong.

    ## Example
    ```python broken
    spikes, membrane = [], lif.init_leaky()  # lif = snntorch.Leaky(beta=0.9)
    for frame in x:  # x: [time, batch, features]
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    logits = torch.stack(spikes).sum(0)  # spike counts: 0 to 100 in 100 time steps
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```
    ```python repaired
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    logits = 10 * torch.stack(spikes).mean(0)  # ten times the firing rates: 0 to 10
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```

    ## Fix
    ```python any
    # spikes: [time, batch, class]. The factor of 10 lets the softmax be certain; rates of 0 to 1 are too close together
    logits = 10 * spikes.mean(0)
    # or the mean membrane potential of the output layer
    ```
    ```python sinabs
    # spikes: [batch, time, class]. The factor of 10 lets the softmax be certain; rates of 0 to 1 are too close together
    logits = 10 * spikes.mean(1)
    ```

    ## When it is intended
    The logits are large by construction at first and shrink during training, as negative squared distances between
    embeddings do.
    ```toml
    [tool.spikecheck.ignore]
    "SPK301" = "negative squared distances, large at first"
    ```

    ## How it is decided
    The spread of a sample is its largest minus its smallest logit. A finding needs a mean spread of {max_logit_spread}
    or more in the recent updates, and a mean loss above ln C, the loss of equal logits for C classes. A trained network
    may have logits as far apart; its loss is low, so there is no finding.

    With 20 classes and spike counts that are anywhere from 0 to N with equal probability, the loss is about 0.45 N: 23
    for N = 50, 45 for N = 100. Equal logits give 3.0. torch's `cross_entropy` stays finite for large logits, since it
    subtracts the largest one first. A softmax written by hand, exp(x) / sum(exp(x)), is NaN for logits of 89 and more.
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
        "SPK208",
        "SPK405",
        "SPK406",
        "SPK407",
        "SPK413",
    )
    past: ClassVar = "{site} were far apart while the loss was above chance"
    of_first_loss: ClassVar = True
    message: ClassVar = "{site} span {spread:n} while the loss is {loss:n}: confidently wrong"

    max_logit_spread: float = limit(
        30.0,
        why="measured: while the loss is above ln C, at most 12.3 in networks that learn, and at least 36 where a "
        "threshold or a learning rate is at fault; derived: with 20 classes and counts anywhere from 0 to 30 with "
        "equal probability, the loss is 14",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where logits are far apart and the loss is above that of equal logits."""
        logits, loss = readings[LogitReading], readings[LossReading]
        mean, classes = loss.recent_mean, loss.classes
        if mean is None or classes is None or classes <= 1 or not loss.plain_mean or not logits.rows:
            return
        learning = learning_of(readings)
        if not (logits.spread >= self.max_logit_spread and mean > log(classes)):
            return
        if learning is not None and learning.has_learned:  # the mean is of losses before, as after a jump that is over
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
                because="the loss of a wrong sample is about its largest logit minus that of the right class",
                max_spread=self.max_logit_spread,
                classes=classes,
                chance=log(classes),
            ),
            excess=log10(logits.spread / self.max_logit_spread),
        )
