"""Labels that are all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Observed, Severity
from spikecheck.readings import TargetReading
from spikecheck.site import Moment, Site, SiteKind


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
    All labels are the same, and there are at least {min_labels} of them. While training runs, spikecheck also waits for
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
    sites: ClassVar = SiteKind.TARGETS
    needs: ClassVar = (TargetReading,)
    explained_by: ClassVar = ("SPK314",)
    past: ClassVar = "all {site} were one class"
    message: ClassVar = "all {samples} {site} are class {label} (of {classes})"

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
        targets = readings.all[TargetReading]
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
        )
