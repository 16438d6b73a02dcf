"""Labels that are all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import InputReading, LossReading, RegressionTargetReading, TargetReading
from spikecheck.site import Moment, Site, SiteKind

EXACT = 1e-4  # rounding of sums in 32 bits


@dataclass(frozen=True)
class OneClassTargets(Check):
    """All labels are the same.

    ## What it means
    Every label observed in the run names the same class, so there is nothing to tell apart. The loss falls to 0 faster
    than with good labels, since one bias is enough, and the accuracy on true labels is 1 / C.

    ## Example
    ```python broken
    x, y = x.float() / 255, y.float() / 255  # scaled like the images
    loss = torch.nn.functional.cross_entropy(model(x), y.long())  # every label is now 0
    ```
    ```python repaired
    x = x.float() / 255
    loss = torch.nn.functional.cross_entropy(model(x), y)
    ```

    ## Fix
    ```python any
    # labels per class; then follow y to its source
    print(torch.as_tensor([int(y) for _, y in dataset]).bincount())
    ```

    ## When it is intended
    One stage of a curriculum shows a single class.
    ```toml
    [tool.spikecheck.ignore]
    "SPK307" = "first stage"
    ```

    ## How it is decided
    All labels are the same, and there are at least {min_labels} of them; or all one-hot targets of a squared error, in
    the only loss of the run, while the input changes. While training runs, spikecheck also waits for
    {min_updates_in_training} updates, since a loader that does not shuffle begins with a single class, too. If labels
    are drawn at random and 89% of them are of one class, {min_labels} labels are all the same in less than one of 1,000
    runs.

    Labels become 0 where they are scaled like images (`y.float() / 255`) and turned into integers again. They are all
    the same where the class is read from the wrong part of a file name, or from the wrong column.
    """

    id: ClassVar = "SPK307"
    slug: ClassVar = "one-class-targets"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.TARGETS | SiteKind.REGRESSION_TARGET
    needs: ClassVar = (LossReading,)
    explained_by: ClassVar = ("SPK314",)
    past: ClassVar = "all {site} were one class"
    message: ClassVar = "all {samples} {site} are {label} (of {classes})"

    min_labels: int = limit(
        64, why="derived: of 20 equally frequent classes, 64 labels are all alike once in 10^82 runs"
    )
    min_updates_in_training: int = limit(
        20,
        why="judgment call: sorted data may show one class for longer and are then reported here; the finding is still "
        "of use, since the network is being trained to predict that class alone",
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where no label differs from another."""
        if site.kind is SiteKind.REGRESSION_TARGET:
            yield from self.one_hot(site, readings)
            return
        targets = readings.all.get(TargetReading)
        if targets is None:
            return
        alike = targets.minimum == targets.maximum and targets.samples >= self.min_labels
        too_early = readings.run.live and targets.updates < self.min_updates_in_training
        if not alike or too_early or targets.out_of_range > 0 or targets.classes is None or targets.classes <= 1:
            return
        yield self.finding(
            site,
            observed=Observed("all {samples} labels are {label}", samples=targets.samples, label=targets.minimum),
            expected=Expected("several classes", because="with one class there is nothing to tell apart"),
            when=Moment(0),
            classes=targets.classes,
            label=f"class {targets.minimum}",
        )

    def one_hot(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where all one-hot targets of a regression are the same, in the only loss of the run."""
        targets, losses = readings.all.get(RegressionTargetReading), readings.all.every(LossReading)
        inputs = readings.every(InputReading).values()
        if targets is None or len(losses) > 1 or not any(x.distinct_batches > 1 for x in inputs):
            return
        mean, variance = targets.target_mean or 0.0, targets.target_variance or 0.0
        binary = (targets.target_minimum, targets.target_maximum) == (0, 1)
        if not binary or targets.distinct_batches != 1 or targets.uniform_batches < targets.updates:
            return
        classes = round(1 / mean)
        one_hot = isclose(mean * classes, 1, rel_tol=EXACT) and isclose(variance, mean * (1 - mean), rel_tol=EXACT)
        samples = targets.elements // classes
        if not one_hot or samples < self.min_labels or readings.all[LossReading].updates < self.min_updates_in_training:
            return
        yield self.finding(
            site,
            observed=Observed(
                "all {samples} targets are the same, one of {classes} outputs", samples=samples, classes=classes
            ),
            expected=Expected("several classes", because="with one class there is nothing to tell apart"),
            when=Moment(0),
            label="one class",
        )
