"""A loss that hardly counts in the sum that is minimized."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import is_silent
from spikecheck.checks.learning import learning_of, telling
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.loss_readings import LossTermReading
from spikecheck.readings import LossReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class DominatingTerm(Check):
    """The other terms of the loss are many times larger than the loss of the task, which does not fall.

    ## What it means
    The optimizer follows the gradient of the sum. A penalty on spikes or weights that is a hundred times as large as
    the loss of the task is minimized first: the network learns to be silent, or its weights shrink, and the task is not
    learned.

    ## Example
    ```python broken
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    rates = torch.stack(spikes).mean(0)
    loss = torch.nn.functional.cross_entropy(10 * rates, y) + 10 * torch.stack(spikes).sum()
    ```
    ```python repaired
    spikes, membrane = [], lif.init_leaky()
    for frame in x:
        spike, membrane = lif(fc(frame), membrane)
        spikes.append(spike)
    rates = torch.stack(spikes).mean(0)
    loss = torch.nn.functional.cross_entropy(10 * rates, y) + 0.1 * torch.stack(spikes).mean()
    ```

    ## Fix
    ```python any
    # a mean, unlike a sum, does not grow with the size of the layer or of the batch
    penalty = spikes.mean()
    # compute the factor once, from the first batch: the penalty is then a tenth of the loss of the task
    factor = 0.1 * (task_loss / penalty.clamp(min=1e-6)).item()
    # then keep it for all updates
    loss = task_loss + factor * penalty
    ```

    ## When it is intended
    The other terms come first, as in pretraining.
    ```toml
    [tool.spikecheck.ignore]
    "SPK321" = "reconstruction first, labels later"
    ```

    ## How it is decided
    The computation graph of the sum that `backward()` is called on shows which of its terms are losses that torch
    computed, and their factors. A finding names one of these losses. It must be no better than a guess, while all other
    terms together make up {max_other_share} or more of the sum, at the first update or over the run. A finding also
    needs {min_updates} updates; while training runs, {min_updates_in_training}. There is no finding where another loss
    shows that a task is learned: it is down to half of that of a guess, or a divergence from a teacher's output has
    halved. Nor is there one where a layer was silent from the start, since SPK203 (dead-layer) reports that.
    """

    id: ClassVar = "SPK321"
    slug: ClassVar = "dominating-term"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LOSS_TERMS
    needs: ClassVar = (LossTermReading, LossReading)
    explains: ClassVar = (
        *("SPK203", "SPK204", "SPK205", "SPK211", "SPK302", "SPK309", "SPK312", "SPK313"),
        *("SPK320", "SPK402", "SPK403", "SPK409", "SPK412"),
    )
    message: ClassVar = "{site} is only {own:n} of the sum of {total:n} that is minimized, and it does not fall"

    max_other_share: float = limit(
        0.95, why="judgment call: the other terms are then 19 times as large as the loss of the task"
    )
    min_updates: int = limit(64, why="judgment call: a network may lower the penalty first and then learn the task")
    min_updates_in_training: int = limit(
        256, why="judgment call: four times as long, since the task may still be learned"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the other terms are far larger, and this loss has not been learned."""
        learning, run = learning_of(readings), readings.run
        terms = [t for t in (readings.first.get(LossTermReading), readings.all.get(LossTermReading)) if t is not None]
        shares = [t.others / (t.own + t.others) for t in terms if isfinite(t.own + t.others) and t.own + t.others > 0]
        needed = self.min_updates_in_training if run.live else self.min_updates
        if not shares or learning is None or learning.guess is None or learning.has_learned or run.update < needed:
            return
        if max(shares) < self.max_other_share:
            return
        if any(other.has_halved for other in telling(readings)):
            return
        if any(is_silent(spikes) for spikes in readings.first.every(SpikeReading).values()):
            return
        most = terms[shares.index(max(shares))] if len(shares) == len(terms) else terms[-1]
        yield self.finding(
            site,
            observed=Observed(
                "the loss contributes {own:n}, the other terms {others:n}: {share:%} of the sum",
                own=most.own,
                others=most.others,
                share=max(shares),
            ),
            expected=Expected(
                "other terms of less than {max_share:%}",
                max_share=self.max_other_share,
                because="otherwise the gradient of the sum is almost that of the other terms",
            ),
            when=Moment(0),
            total=most.own + most.others,
            excess=log10(max(shares) / self.max_other_share),
        )
