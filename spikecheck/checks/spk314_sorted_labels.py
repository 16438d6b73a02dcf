"""Batches whose labels lie together, as in a data set that is sorted by class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import BatchReading, SpikeReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind

SEVERAL = 2  # labels a sample from which on they are those of steps or pixels, whose neighbours are alike by nature


@dataclass(frozen=True)
class SortedLabels(Check):
    """The samples of a batch nearly all have the same label, while other batches have others.

    ## What it means
    Two samples of one batch have the same label far more often than two samples of the run: {clustered} or more of the
    way from what shuffled data would give to batches of a single label. Labels that were drawn independently of each
    other are called sorted less often than once in 1 / {error} looks: by Hoeffding's inequality for the pairs of a
    batch and for those of the run, 2 exp(-n d^2 / 6) with a difference d and n labels.

    ## Why it matters
    A batch of one class has a gradient that says nothing but "this class": the network learns to give that answer
    whatever the input, the next class undoes it, and the loss swings between 0 and far more than ln C. Batch
    normalisation takes statistics of one class for those of all. Data sets of recordings are often stored class by
    class, and a loader keeps their order unless it is told to shuffle.

    ## Fix
    ```python any
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True)
    # a list of files: random.shuffle(files); an iterable set: a shuffle buffer larger than one class
    ```

    ## Intended when
    Classes come one after the other on purpose: `[tool.spikecheck.ignore] "SPK314" = "class-incremental learning"`

    ## References
    Hoeffding, Probability inequalities for sums of bounded random variables, Journal of the American Statistical
    Association 58 (1963), section 5 on U-statistics.
    """

    id: ClassVar = "SPK314"
    slug: ClassVar = "sorted-labels"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.LABELS
    needs: ClassVar = (BatchReading, TargetReading)
    explained_by: ClassVar = ("SPK306",)
    message: ClassVar = "{pure} of {batches} batches hold a single label; the run holds {varied} of {classes}"

    clustered: float = limit(
        0.5,
        why="derived: half of what is between shuffled batches and those of one class; batches of 8 classes of 4 "
        "samples each, as for metric learning, are 0.1 of the way",
    )
    error: float = limit(1e-6, why="derived: with a look at each of 1000 updates, one false warning in 1000 runs")

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where labels lie together beyond doubt, one label a sample."""
        batches, targets = readings.all[BatchReading], readings.all[TargetReading]
        total = sum(targets.counts)
        if batches.alike is None or total <= 1 or not a_label_a_sample(batches, readings):
            return
        chance = sum(n * (n - 1) for n in targets.counts) / (total * (total - 1))
        beyond = batches.alike - chance
        if chance == 1 or beyond < self.clustered * (1 - chance) or by_chance(beyond, batches.samples) > self.error:
            return
        yield self.found(
            site,
            seen=Seen(
                "two samples of a batch have the same label in {alike:.1%} of the pairs, in {batches} batches of "
                "{samples:.3g} on average",
                alike=batches.alike,
                batches=batches.batches,
                samples=batches.samples / batches.batches,
            ),
            expected=Expected(
                "{chance:.1%}, as between any two samples of the run",
                chance=chance,
                because="a batch of one class pulls every weight towards that answer",
            ),
            when=Moment(0),
            pure=batches.pure,
            varied=sum(n > 0 for n in targets.counts),
            classes=targets.classes,
        )


def a_label_a_sample(batches: BatchReading, readings: Readings) -> bool:
    """Is there one label for each sample of a forward, as far as the layers show?"""
    seen = readings.all.every(SpikeReading).values()
    samples = max((spikes.samples / spikes.forwards for spikes in seen if spikes.forwards), default=0.0)
    return 0 < batches.samples < SEVERAL * samples * batches.batches


def by_chance(difference: float, labels: int) -> float:
    """A bound on the probability that shares of so many independent labels differ so much."""
    return 2 * exp(-labels * difference**2 / 6)
