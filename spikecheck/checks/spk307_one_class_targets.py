"""Labels that are all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikecheck.checks.base import Check, Readings, limit
from spikecheck.finding import Expected, Finding, Seen, Severity
from spikecheck.readings import TargetReading
from spikecheck.site import Moment, Site, SiteKind


@dataclass(frozen=True)
class OneClassTargets(Check):
    """All labels are the same.

    ## What it means
    {enough} labels or more were seen, and each was the same class. While training goes on this is said only after
    {patience} updates, since a loader that does not shuffle begins with one class, too.

    Where the labels are drawn independently and the commonest class has a share of up to 0.89, {enough} are all alike
    less often than once in 1000 runs.

    ## Why it matters
    There is nothing to tell apart. The loss falls to 0 all the same, faster than with any good labels, since one bias
    is enough; the accuracy on such labels is 1, and on true ones 1 / C. Labels become 0 where they are scaled as images
    are (`y.float() / 255` and back to integers), where a file name is split in the wrong place, and where the wrong
    column is read.

    ## Fix
    ```python any
    print(torch.stack([y for _, y in dataset]).bincount())  # how often each class comes; then follow y to its source
    ```

    ## Intended when
    One class is all that one stage of a curriculum shows: `[tool.spikecheck.ignore] "SPK307" = "first stage"`
    """

    id: ClassVar = "SPK307"
    slug: ClassVar = "one-class-targets"
    severity: ClassVar = Severity.ERROR
    since: ClassVar = "0.1"
    sites: ClassVar = SiteKind.TARGETS
    needs: ClassVar = (TargetReading,)
    explained_by: ClassVar = (
        "SPK306",
        "SPK314",
    )
    message: ClassVar = "all {samples} {site} are {label}, of {classes} classes"

    enough: int = limit(
        64, why="derived: of 20 classes that come equally often, 64 labels are all alike once in 10**81 runs"
    )
    patience: int = limit(
        20, why="taste: an epoch of sorted data is longer, but by then the loss has learned that class"
    )

    def judge(self, site: Site, readings: Readings) -> Iterator[Finding]:
        """Yield a finding where no label differs from another."""
        targets = readings.all[TargetReading]
        alike = targets.lowest == targets.highest and targets.samples >= self.enough
        early = readings.run.live and targets.updates < self.patience
        if not alike or early or targets.outside > 0 or targets.classes is None or targets.classes <= 1:
            return
        yield self.found(
            site,
            seen=Seen("{samples} labels, each of them {label}", samples=targets.samples, label=targets.lowest),
            expected=Expected("several classes", because="with one there is nothing to learn but to say it"),
            when=Moment(0),
            classes=targets.classes,
        )
