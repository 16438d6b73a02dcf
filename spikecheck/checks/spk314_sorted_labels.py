"""Batches whose labels lie together, as in a data set that is sorted by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import BatchReading, SpikeReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind

#: Labels per sample from which on they belong to time steps or pixels, whose neighbors are alike by nature.
DENSE_LABELS = 2


@dataclass(frozen=True)
class SortedLabels(Check):
    """Nearly all samples of a batch have the same label, and other batches have other labels.

    ## What it means
    The data are not shuffled, so a batch contains only one class, or a few. Its gradient teaches the network to predict
    that class whatever the input, the next class undoes it, and the loss swings between 0 and far above ln C.

    ## Example
    ```python broken
    dataset = tonic.datasets.NMNIST("data", transform=to_frames)  # stored class by class
    loader = torch.utils.data.DataLoader(dataset, batch_size=64)
    ```
    ```python repaired
    dataset = tonic.datasets.NMNIST("data", transform=to_frames)
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True)
    ```

    ## Fix
    ```python any
    loader = torch.utils.data.DataLoader(dataset, batch_size=64, shuffle=True)
    # a list of files: random.shuffle(files); an iterable data set: a shuffle buffer that holds more than one class
    ```

    ## When it is intended
    Classes are shown one after the other on purpose.
    ```toml
    [tool.spikecheck.ignore]
    "SPK314" = "class-incremental learning"
    ```

    ## How it is decided
    Two samples of one batch have the same label far more often than two samples of the whole run. Clustering measures
    this: it is 0 for shuffled data, and 1 where each batch has a single label. A finding needs {max_clustering} or
    more, and so many labels that chance leads to this less than once in a million (Hoeffding's inequality). There is no
    finding where a sample has several labels, such as one per time step or pixel.

    Data sets of recordings are often stored class by class, and a loader keeps their order unless it is told to
    shuffle. Batch normalization then uses the statistics of one class as if they were those of all classes.

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
    past: ClassVar = "batches contained few classes"
    message: ClassVar = "{composition}: is the data shuffled?"

    max_clustering: float = limit(
        0.5,
        why="derived: halfway between shuffled batches and batches of one class; batches with 4 samples of each of 8 "
        "classes, as in metric learning, are at 0.1",
    )
    max_error_probability: float = limit(
        1e-6, why="derived: with an evaluation after each of 1,000 updates, one false warning in 1,000 runs"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where labels lie together beyond doubt, one label per sample."""
        batches, targets = readings.all[BatchReading], readings.all[TargetReading]
        total = sum(targets.class_counts)
        if batches.same_class_pairs is None or total <= 1 or not one_label_per_sample(batches, readings):
            return
        expected_alike = pairs_alike(targets.class_counts)
        excess = batches.same_class_pairs - expected_alike
        if expected_alike == 1 or excess < self.max_clustering * (1 - expected_alike):
            return
        if chance_of_excess(excess, batches.samples) > self.max_error_probability:
            return
        mostly_pure = batches.single_class_batches > batches.batches - batches.single_class_batches
        composition = "{pure} of {batches} batches contain a single class"
        if not mostly_pure:
            composition = "a batch contains few of the {present} classes"
        yield self.finding(
            site,
            observed=Observed(
                "two samples of a batch have the same label in {alike:%} of pairs ({batches} batches of {samples:n} "
                "samples on average); the run has labels of {present} of {classes} classes",
                alike=batches.same_class_pairs,
                batches=batches.batches,
                samples=batches.samples / batches.batches,
                present=sum(n > 0 for n in targets.class_counts),
                classes=targets.classes,
            ),
            expected=Expected(
                "{expected_alike:%}, as between any two samples of the run",
                expected_alike=expected_alike,
                because="a batch of one class pulls every weight towards predicting that class",
            ),
            when=Moment(0),
            composition=composition.format(
                pure=batches.single_class_batches,
                batches=batches.batches,
                present=sum(n > 0 for n in targets.class_counts),
            ),
        )

    def is_over(self, finding: Finding, readings: Readings, *, made_now: bool) -> bool:
        """Return whether the labels of recent batches are mixed."""
        recent, targets = readings.get(BatchReading), readings.all.get(TargetReading)
        if not made_now or recent is None or targets is None or recent.same_class_pairs is None:
            return not made_now
        expected_alike = pairs_alike(targets.class_counts)
        return recent.same_class_pairs - expected_alike < self.max_clustering * (1 - expected_alike)


def pairs_alike(class_counts: Sequence[int]) -> float:
    """Return the share of the pairs of all samples that have the same label."""
    total = sum(class_counts)
    return sum(n * (n - 1) for n in class_counts) / (total * (total - 1)) if total > 1 else 1.0


def one_label_per_sample(batches: BatchReading, readings: Readings) -> bool:
    """Return whether there is one label for each sample of a forward pass, as far as the layers show."""
    layers = readings.all.every(SpikeReading).values()
    samples = max((spikes.samples / spikes.forward_passes for spikes in layers if spikes.forward_passes), default=0.0)
    return 0 < batches.samples < DENSE_LABELS * samples * batches.batches


def chance_of_excess(difference: float, labels: int) -> float:
    """Return a bound on the probability that shares of so many independent labels differ by so much."""
    return 2 * exp(-labels * difference**2 / 6)
