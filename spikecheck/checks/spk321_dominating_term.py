"""A loss that hardly counts in the sum that is minimized."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, log10
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.layers import is_silent
from spikecheck.checks.learning import learning_of, telling
from spikecheck.checks.silence import highest_recent_rate
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.loss_readings import LossTermReading
from spikecheck.readings import LossReading, SpikeReading
from spikecheck.site import Moment, Site, SiteKind

QUIETED = 0.1  # of the first rate, judgment call: a penalty on spikes may well halve the rate of a network that learns


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
    computed, and their factors. A finding names one of these losses, where the other terms together make up so much of
    the sum, at the first update or over the run:

    - {max_other_share} or more, and this loss is no better than a guess;
    - {max_share_of_penalty} or more, this loss is above half of that of a guess, and the spikes have paid for the other
      terms: a layer fires at less than a tenth of its first rate, and below {min_rate}.

    A finding also needs {min_updates} updates; while training runs, {min_updates_in_training}. There is no finding
    where another loss shows that a task is learned: it is down to half of that of a guess, or a divergence from a
    teacher's output has halved. Nor is there one where a layer was silent from the start, since SPK203 (dead-layer)
    reports that.
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
    message: ClassVar = "{site} is only {own:n} of the sum of {total:n} that is minimized, and {and_what}"

    max_other_share: float = limit(
        0.95, why="judgment call: the other terms are then 19 times as large as the loss of the task"
    )
    max_share_of_penalty: float = limit(
        0.5, why="judgment call: the gradient of the sum is then more that of the other terms than that of the task"
    )
    min_rate: float = limit(
        0.01, why="judgment call: one spike per neuron in 100 time steps; sparse networks that learn fire more"
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
        if not shares or learning is None or learning.guess is None or run.update < needed:
            return
        if any(one.has_halved for one in (learning, *telling(readings))):
            return
        if any(is_silent(spikes) for spikes in readings.first.every(SpikeReading).values()):
            return
        quieter = self.quieted_layer(readings)
        max_share = self.max_other_share if quieter is None else self.max_share_of_penalty
        if max(shares) < max_share or (quieter is None and learning.has_learned):
            return
        most = terms[shares.index(max(shares))] if len(shares) == len(terms) else terms[-1]
        text = "the loss contributes {own:n}, the other terms {others:n}: {share:%} of the sum"
        fell = "" if quieter is None else "; {layer} fires at {rate:n}, at first at {first_rate:n}"
        name, first_rate, rate = quieter or ("", 0.0, 0.0)
        yield self.finding(
            site,
            observed=Observed(
                text + fell,
                own=most.own,
                others=most.others,
                share=max(shares),
                layer=name,
                rate=rate,
                first_rate=first_rate,
            ),
            expected=Expected(
                "other terms of less than {max_share:%}",
                max_share=max_share,
                because="otherwise the gradient of the sum is mostly that of the other terms",
            ),
            when=Moment(0),
            total=most.own + most.others,
            excess=log10(max(shares) / max_share),
            and_what="it does not fall" if quieter is None else f"{name} hardly fires any more",
        )

    def quieted_layer(self, readings: Readings) -> tuple[str, float, float] | None:
        """Return the layer that training made quietest, with its first rate and the recent one; None for none."""
        quieted = []
        for name, spikes in readings.first.every(SpikeReading).items():
            first, now = spikes.rate, highest_recent_rate(readings.at(name))
            if first and now is not None and now < min(QUIETED * first, self.min_rate):
                quieted.append((name, first, now))
        return min(quieted, key=lambda one: one[2] / one[1], default=None)
