"""Class weights that grow with the number of labels instead of falling with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from statistics import correlation, linear_regression
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.checks.fixes import plain_number
from spikecheck.finding import Expected, Finding, Fix, Observed, Severity
from spikecheck.loss_readings import ClassWeightReading
from spikecheck.readings import LossReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind

#: More weights than a line of code can hold are left to the fix of the check's text.
MAX_WRITTEN_CLASSES = 20


@dataclass(frozen=True)
class InvertedClassWeights(Check):
    """The class weights of the loss are proportional to how often each class occurs, and not to the inverse.

    ## What it means
    Class weights are there to make rare classes count as much as frequent ones. Here, the frequent classes get the
    large weights, so the rare ones count even less than without weights, and the network learns to ignore them.

    ## Example
    ```python broken
    counts = y_train.bincount(minlength=20)
    loss_fn = torch.nn.CrossEntropyLoss(weight=counts / counts.sum())
    loss = loss_fn(model(x), y)
    ```
    ```python repaired
    counts = y_train.bincount(minlength=20).clamp(min=1)
    loss_fn = torch.nn.CrossEntropyLoss(weight=counts.sum() / (20 * counts))
    loss = loss_fn(model(x), y)
    ```

    ## Fix
    ```python any
    counts = torch.as_tensor([int(y) for _, y in dataset]).bincount(minlength=classes).clamp(min=1)
    loss_fn = torch.nn.CrossEntropyLoss(weight=counts.sum() / (classes * counts))
    ```

    ## When it is intended
    An error in the frequent class costs more than one in a rare class.
    ```toml
    [tool.spikecheck.ignore]
    "SPK325" = "a false alarm costs most"
    ```

    ## How it is decided
    The weights are compared with the labels that the loss was given, so weights for a data set whose batches a sampler
    balances are no finding. Classes with a weight of 0 or fewer than {min_class_labels} labels are left out. A finding
    needs all of these:

    - the most frequent class has {min_label_ratio} times as many labels as the rarest one or more, of at least
      {min_labels} labels;
    - the logarithm of the weights grows with the logarithm of the counts, with a slope of 1 to within {max_slope_error}
      and a correlation of {min_correlation} or more.

    The slope is 1 where the weights are the class frequencies, 0 for equal weights, and -1 for inverse frequencies. The
    logarithm of a ratio of 2 is known to within 0.15 from {min_labels} labels, so the slope to within 0.2.
    """

    id: ClassVar = "SPK325"
    slug: ClassVar = "inverted-class-weights"
    severity: ClassVar = Severity.WARNING
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.CLASS_WEIGHTS
    needs: ClassVar = (ClassWeightReading, TargetReading)
    explains: ClassVar = ("SPK302", "SPK309", "SPK312", "SPK313")
    past: ClassVar = "the class weights grew with the number of labels"
    message: ClassVar = (
        "the loss weighs class {most} ({share:%} of {site}) {ratio:.2n} times as much as class {least} ({rare_share:%})"
    )

    min_labels: int = limit(200, why="derived: the logarithm of a ratio of 2 is then known to within 0.15")
    min_class_labels: int = limit(
        10, why="derived: the logarithm of a count is then known to within 0.3, a tenth of what ten classes span"
    )
    min_label_ratio: float = limit(
        2.0, why="judgment call: weights for labels that are more even than that change little", minimum=1
    )
    max_slope_error: float = limit(
        0.3,
        why="derived: above the error of the slope, and below the distance to roots of the frequencies, with a slope "
        "of 0.5",
        maximum=1,
    )
    min_correlation: float = limit(
        0.9, why="judgment call: weights that somebody chose class by class scatter more than that", maximum=1
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where the weights are proportional to the labels of each class."""
        weights, counts = readings.all[ClassWeightReading].weights, readings.all[TargetReading].class_counts
        if len(weights) != len(counts) or sum(counts) < self.min_labels:
            return
        compared = [n for n, count in enumerate(counts) if count >= self.min_class_labels and weights[n] > 0]
        if not compared:
            return
        most, least = max(compared, key=counts.__getitem__), min(compared, key=counts.__getitem__)
        if counts[most] < self.min_label_ratio * counts[least]:
            return
        if not self.grows([log(counts[n]) for n in compared], [log(weights[n]) for n in compared]):
            return
        yield self.finding(
            site,
            observed=Observed(
                "a weight of {high:n} for the class with {most_labels} labels, and of {low:n} for that with "
                "{least_labels}",
                high=weights[most],
                most_labels=counts[most],
                low=weights[least],
                least_labels=counts[least],
            ),
            expected=Expected(
                "weights that fall with the number of labels",
                because="the frequent classes make up most of the loss without any weights",
            ),
            fixes=inverse_weights(counts, readings.all.get(LossReading)),
            when=Moment(0),
            most=most,
            least=least,
            share=counts[most] / sum(counts),
            rare_share=counts[least] / sum(counts),
            ratio=weights[most] / weights[least],
        )

    def grows(self, counts: list[float], weights: list[float]) -> bool:
        """Return whether weights are proportional to counts, both given as logarithms."""
        slope = linear_regression(counts, weights).slope
        return abs(slope - 1) <= self.max_slope_error and correlation(counts, weights) >= self.min_correlation


def inverse_weights(counts: tuple[int, ...], loss: LossReading | None) -> tuple[Fix, ...] | None:
    """Return the loss with one over the frequency of each class as its weight; None for many classes."""
    if len(counts) > MAX_WRITTEN_CLASSES or loss is None:
        return None
    inverse = [sum(counts) / (len(counts) * max(1, count)) for count in counts]
    return (
        Fix(
            "# one over how often each class occurred in this run\n"
            f"weights = torch.tensor([{', '.join(plain_number(weight) for weight in inverse)}])\n"
            f"loss = torch.nn.functional.{loss.function}(output, y, weight=weights.to(output.device))"
        ),
    )
