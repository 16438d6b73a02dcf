"""A first loss far above that of a uniform guess."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.learning import HIGH_FIRST_LOSS, is_high_at_first, learning_of
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import LossReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class HighInitialLoss(Check):
    """The first loss, before any update, is several times that of a uniform guess.

    ## What it means
    A network that has learned nothing should give every class about the same probability, and have a loss of about
    ln C (3.0 for 20 classes). A much higher first loss means that the logits are on too large a scale, not that the
    network is worse than guessing.

    ## Example
    ```python broken
    iaf = sinabs.layers.IAF(spike_fn=sinabs.activation.SingleSpike)
    logits = iaf(fc(x)).sum(1)  # x: [batch, time, features]; spike counts: 0 to 100 in 100 time steps
    loss = torch.nn.functional.cross_entropy(logits, y)
    ```
    ```python repaired
    iaf = sinabs.layers.IAF(spike_fn=sinabs.activation.SingleSpike)
    logits = 10 * iaf(fc(x)).mean(1)  # ten times the firing rates: 0 to 10
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
    Training starts from the weights of another task.
    ```toml
    [tool.spikecheck.ignore]
    "SPK303" = "fine-tuning, new labels"
    ```

    ## How it is decided
    The first loss is {max_times_chance} times ln C or more. It is the loss of the first update after
    `spikecheck.attach(model)`; a loss that the script begins to compute only in a later update is not judged.

    With 20 classes and spike counts that are anywhere from 0 to N with equal probability, the largest count exceeds
    that of the right class by about 0.45 N, and the loss is about that: 45 for N = 100. The first updates then only
    shrink the logits.
    """

    id: ClassVar = "SPK303"
    slug: ClassVar = "high-initial-loss"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = (
        "SPK101",
        "SPK107",
        "SPK201",
        "SPK206",
        "SPK207",
        "SPK301",
        "SPK405",
        "SPK406",
    )
    past: ClassVar = "the first {site} was high"
    of_first_loss: ClassVar = True
    message: ClassVar = "the first {site} is {first:#n}; a uniform guess over {classes} classes gives {chance:#n}"

    max_times_chance: float = limit(
        HIGH_FIRST_LOSS,
        why="derived: random logits reach it with a standard deviation of about 5 (2 classes) to 8 (1,000 classes); "
        "measured: with 20 classes at most 2.6 in networks that learn well, at least 5.4 where a scale is at fault",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the loss before the first update is large for its number of classes."""
        loss = readings.all[LossReading]
        first, classes = loss.first, loss.classes
        from_the_start = loss.updates >= readings.run.update
        if first is None or classes is None or not (from_the_start and is_high_at_first(loss, self.max_times_chance)):
            return
        yield self.finding(
            site,
            observed=Observed(
                "a first loss of {first:#n}, {ratio:x} that of a uniform guess", first=first, ratio=first / log(classes)
            ),
            expected=Expected(
                "about ln {classes} = {chance:#n}",
                because="before training, no class should be far ahead of another",
                classes=classes,
                chance=log(classes),
            ),
            when=Moment(),
            excess=log10(first / log(classes) / self.max_times_chance),
            classes=classes,
            chance=log(classes),
        )

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the loss is below that of a guess by now."""
        learning = learning_of(readings)
        return not made_now or (learning is not None and learning.has_learned)
